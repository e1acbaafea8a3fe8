"""Microsoft Presidio as a second opinion, in a process of its own: in a thread of ours it would hold up every other request."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import Mandate, NoOpinion

_WORKER = Path(__file__).with_name("presidio_worker.py")
_LOAD_S = 60.0
# What its entities are here. Those of nobody in particular are no finding; any other that is not listed counts as pii.
_NOBODYS = frozenset("DATE_TIME URL ORGANIZATION UUID".split())
_PCI = frozenset("CREDIT_CARD IBAN_CODE US_BANK_NUMBER ABA_ROUTING_NUMBER".split())
_PHI = frozenset(
    "AU_MEDICARE DE_HEALTH_INSURANCE MEDICAL_LICENSE UK_NHS US_CLAIM_NUMBER US_HEALTH_INSURANCE_MEMBER_ID US_MBI US_NPI"
    " US_PRESCRIPTION_NUMBER US_PRIOR_AUTHORIZATION_NUMBER US_REFERRAL_NUMBER".split()
)


class Presidio:
    """One worker, asked by one thread: texts wait for each other, each as long as its deadline lets it."""

    def __init__(
        self,
        mandate: Mandate,
        language: str = "en",
        model: str | None = None,
        least_score: float = 0.5,
        python: str | None = None,
    ) -> None:
        """`python` is the interpreter that has Presidio; None: the one that runs us."""
        self.mandate = mandate
        self._worker = _Worker([python or sys.executable, "-I", str(_WORKER), language, model or "", str(least_score)])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=mandate.name)

    async def labels(self, text: str) -> Collection[Label]:
        """The labels of what it finds. Raises NoOpinion where it cannot be had, or does not come back from the text."""
        asked = asyncio.get_running_loop().run_in_executor(self._thread, self._worker.ask, text, self.mandate.deadline_s)
        return labels_of(await asked)


class _Worker:
    """The child process: started with the first question, and again after one that it did not answer."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, text: str, within_s: float) -> list[str]:
        """The entities in the text. Raises NoOpinion, and then the worker is ended: it may never come back."""
        try:
            if self._process is None:
                self._process = self._start()
                _exchange(self._process, b"", _LOAD_S)
            found: list[str] = json.loads(_exchange(self._process, json.dumps(text).encode() + b"\n", within_s))
            return found
        except (OSError, ValueError, NoOpinion) as error:
            self.end()
            raise NoOpinion(str(error) if isinstance(error, NoOpinion) else f"Presidio failed ({type(error).__name__})") from None

    def end(self) -> None:
        """Now, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was not yet written is of no use to anybody
                    if pipe is not None:
                        pipe.close()

    def __del__(self) -> None:
        """With the policy that it belongs to."""
        self.end()

    def _start(self) -> subprocess.Popen[bytes]:
        # Its own words may hold the text, and nobody is to read them.
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def missing(model: str | None) -> str | None:
    """What to install before it can work in this environment; None where nothing is missing."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        return "install freehold[presidio], or name the python of an environment that has it"
    if model is not None and importlib.util.find_spec(model) is None:
        return f"install the spaCy model {model}: it is never downloaded from here"
    return None


def labels_of(entities: Iterable[str]) -> frozenset[Label]:
    """The labels of its entities."""
    return frozenset(
        "pci" if entity in _PCI else "phi" if entity in _PHI else "pii" for entity in entities if entity not in _NOBODYS
    )


def _exchange(process: subprocess.Popen[bytes], said: bytes, within_s: float) -> bytes:
    """The line it writes to what it is told. Raises NoOpinion where none comes in time, or it has ended; OSError."""
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(within_s, end)
    timer.start()
    try:
        process.stdin.write(said)
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        timer.cancel()
    if late.is_set():
        raise NoOpinion(f"Presidio did not answer within {within_s:g} s")
    if not line:
        raise NoOpinion("Presidio ended; is it installed, and its language model?")
    return line
