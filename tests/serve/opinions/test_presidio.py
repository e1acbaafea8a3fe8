"""Presidio for real, in this environment or in the one that the benchmark makes; and a worker that fails in every way it can."""

import asyncio
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freehold.core.data import DataClass
from freehold.rules.sensitivity.opinion import Mandate, NoOpinion
from freehold.serve.opinions import presidio_worker
from freehold.serve.opinions.presidio import Presidio, labels_of, missing

HERE = importlib.util.find_spec("presidio_analyzer") is not None
PYTHON = Path(sys.executable) if HERE else Path(__file__).parents[3] / ".venv-presidio" / "bin" / "python"
MANDATE = Mandate(name="p", labels={"pii": DataClass.confidential}, deadline_s=30.0)


@pytest.mark.skipif(not PYTHON.exists(), reason="needs freehold[presidio], or .venv-presidio")
async def test_it_finds_what_it_knows_and_holds_up_nothing_else() -> None:
    presidio = Presidio(MANDATE, least_score=0.4, python=str(PYTHON))
    texts = {
        "nothing here": set(),
        "write to ada@posteo.de": {"pii"},
        "a@b.notadomain": set(),
        "card 4012 8888 8888 1881": {"pci"},
    }
    for text, labels in texts.items():
        assert await presidio.labels(text) == labels
    began = time.process_time()
    await presidio.labels("It grew by 8.3 % to 1,204,000 in the third quarter. " * 100)
    assert time.process_time() - began < 0.1, "it works in a process of its own"


def test_its_worker_reaches_for_no_network() -> None:
    attempt = (
        "import runpy, socket, sys\n"
        f"worker = runpy.run_path({presidio_worker.__file__!r})\n"
        "sys.addaudithook(worker['_refuse_network'])\n"
        "for reach in (lambda: socket.create_connection(('127.0.0.1', 1)), lambda: socket.getaddrinfo('localhost', 80)):\n"
        "    try:\n"
        "        reach()\n"
        "    except PermissionError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", attempt], capture_output=True, text=True, check=True)
    assert done.stdout == "a text to be judged stays in this process\n" * 2


def script(folder: Path, body: str) -> str:
    """An interpreter that runs this in place of the worker."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 1", "Presidio ended; is it installed"),
        ("echo ready; read line; exit 1", "Presidio ended"),
        ("echo ready; read line; echo no json; exec sleep 9", r"Presidio failed \(JSONDecodeError\)"),
        ("echo ready; read line; exec sleep 9", "Presidio did not answer within 0.5 s"),
    ],
)
async def test_a_worker_that_fails_is_no_opinion_and_a_new_one_is_asked_next(tmp_path: Path, body: str, words: str) -> None:
    python = script(tmp_path, body)
    presidio = Presidio(Mandate(name="p", labels={}, deadline_s=0.5), python=python)
    with pytest.raises(NoOpinion, match=words):
        await presidio.labels("hello")
    script(tmp_path, "echo ready; read line; echo '[\"PERSON\"]'; read line")
    assert await presidio.labels("hello") == {"pii"}


async def test_a_deadline_while_others_are_read_ends_no_worker(tmp_path: Path) -> None:
    python = script(tmp_path, "echo ready; read line; sleep 0.3; echo '[]'; read line; echo '[\"PERSON\"]'; read line")
    presidio = Presidio(Mandate(name="p", labels={}, deadline_s=5.0), python=python)
    first = asyncio.create_task(presidio.labels("hello"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(presidio.labels("hurry"), 0.05)
    assert await first == frozenset()
    assert await presidio.labels("hello") == {"pii"}


@pytest.mark.skipif(HERE, reason="it is here")
async def test_without_it_there_is_no_opinion() -> None:
    with pytest.raises(NoOpinion, match="Presidio ended; is it installed"):
        await Presidio(MANDATE).labels("write to ada@posteo.de")
    assert missing(None) == "install freehold[presidio], or name the python of an environment that has it"


def test_what_its_entities_are_here() -> None:
    assert labels_of(["PERSON", "CREDIT_CARD", "US_NPI", "SOMETHING_NEW"]) == {"pii", "pci", "phi"}
    assert labels_of(["DATE_TIME", "URL"]) == frozenset()
