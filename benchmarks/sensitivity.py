"""What scanning a request costs, and how well the kinds are found on the labelled texts in tests/data/sensitivity.

Beside it, in the same run and on the same texts, Presidio's pattern recognisers (a separate environment, .venv-presidio, made on
the first run; without a language model, so its named entities are not part of the comparison).
Run: `python -m benchmarks.sensitivity` (a minute; `--alone` leaves Presidio out). Figures belong in docs/explain/sensitivity.md.
"""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from freehold.app.cli.output import out
from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.redactor import Redactor
from freehold.rules.sensitivity.scanner import Scanner
from freehold.wire.content import Fields, Piece, texts

DATA = Path("tests/data/sensitivity")
ROUNDS = 400
RELEASE = "2.2.366"
PROSE = (
    "The quick brown fox, in 2024, jumped over 12 lazy dogs and paid $34.50 for it; nobody knows why. Please summarise the report"
    " for the board: revenue grew by 8.3 % to 1,204,000 in the third quarter, and the new plant opened in March.\n"
)
DIRTY = (
    "My SSN is 078-05-1121 and my card 4012 8888 8888 1881. Write to jo.berg@posteo.de or call (415) 555-2671; born 1980-02-03."
    " The patient takes metformin, MRN 00123456.\n"
)
NEAR_MISSES = {
    "IBAN groups": "DE89 ", "digits": "1 ", "groups of four": "4111 1111 1111 1112 ", "cards": "4111111111111112 ",
    "dashed numbers": "000-12-3456 ", "private addresses": "10.1.2.3 ", "IPv6 of no one": "2001:db8::1 ",
    "NIR": "100000000000000 ", "file names": "a@b.png ", "assignments": "password=secret ", "DNI": "12345678-A ",
    "tax codes": "ABCDEF12A34B567A ",
    "numbers near words": "tel ssn card nhs npi bsn pesel cpf sin tfn 123456780 1234567890 12345678901 123456789012 ",
}  # fmt: skip
ENTITIES = {
    "payment_card": "CREDIT_CARD", "iban": "IBAN_CODE", "us_ssn": "US_SSN", "phone": "PHONE_NUMBER", "email": "EMAIL_ADDRESS",
    "ip_address": "IP_ADDRESS", "uk_nino": "UK_NINO", "nhs_number": "UK_NHS", "it_fiscal_code": "IT_FISCAL_CODE",
    "pl_pesel": "PL_PESEL", "in_aadhaar": "IN_AADHAAR", "in_pan": "IN_PAN", "au_tfn": "AU_TFN", "au_medicare": "AU_MEDICARE",
    "sg_nric": "SG_NRIC_FIN", "ca_sin": "CA_SIN", "de_tax_id": "DE_TAX_ID", "de_id_card": "DE_ID_CARD",
    "se_personnummer": "SE_PERSONNUMMER", "npi": "US_NPI",
}  # fmt: skip
# Runs in Presidio's environment: JSON texts in, one line of JSON out with the entities of each text and seconds per timed text.
PRESIDIO = """
import inspect, json, logging, statistics, sys, time
logging.disable(logging.CRITICAL)
import spacy
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import SpacyNlpEngine

class Blank(SpacyNlpEngine):
    def __init__(self):
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}
    def load(self):
        pass

registry = RecognizerRegistry()
registry.load_predefined_recognizers(languages=["en"])
registry.recognizers = [r for r in registry.recognizers if r.name != "SpacyRecognizer"]
present = {type(r).__name__ for r in registry.recognizers}
for name, kind in inspect.getmembers(predefined_recognizers, inspect.isclass):
    if issubclass(kind, PatternRecognizer) and kind is not PatternRecognizer and name not in present:
        try:
            registry.add_recognizer(kind(supported_language="en"))
        except TypeError:
            pass
engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
asked = json.load(sys.stdin)
def entities(text):
    return engine.analyze(text, language="en", entities=asked["entities"])

found = [[[r.entity_type, r.score] for r in entities(text)] for text in asked["texts"]]
seconds = []
for text in asked["timed"]:
    rounds = []
    for _ in range(12):
        began = time.thread_time()
        entities(text)
        rounds.append(time.thread_time() - began)
    seconds.append(statistics.median(rounds[2:]))
print(json.dumps({"found": found, "seconds": seconds}))
"""


def main() -> None:
    """Measure cost, also of hostile texts, then quality, then the same of Presidio."""
    scanner = Scanner(shipped_kinds())
    clean, dirty = PROSE * 18, DIRTY + PROSE * 17
    timed = {"clean, 4 kB": clean, "dirty, 4 kB": dirty, "clean, 200 kB": clean * 49, "dirty, 200 kB": dirty * 49}
    files = [DATA / f"{name}.jsonl" for name in ("generated", "handwritten")]
    labelled = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    every = [entry["text"] for entry in labelled]
    ours = [set(scanner.scan([Piece("", text)]).counts) for text in every]
    peer = None if "--alone" in sys.argv else presidio(every, [clean, dirty])
    costs(scanner, timed, peer)
    near_misses(scanner)
    quality(labelled, ours, peer)


def costs(scanner: Scanner, timed: dict[str, str], peer: dict[str, Any] | None) -> None:
    """CPU time per request, so that a busy machine counts less: reading all text of it and scanning, one thread."""
    table = Table(
        "request", "bytes", "p50 ms", "p99 ms", "redacted p50 ms", "Presidio p50 ms", title="reading and scanning one request"
    )
    others = dict(zip(timed, peer["seconds"], strict=False)) if peer else {}
    for name, text in timed.items():
        fields = request(text)
        rounds = ROUNDS if len(text) < 10_000 else ROUNDS // 10
        scans = seconds(partial(scan, scanner, fields), rounds)
        tail = statistics.quantiles(scans, n=100)[98]
        redactions = seconds(partial(redact, scanner, fields), rounds // 4)
        ours = (f"{took * 1e3:.3f}" for took in (statistics.median(scans), tail, statistics.median(redactions)))
        table.add_row(name, str(len(text.encode())), *ours, f"{others[name] * 1e3:.1f}" if name in others else "")
    out.print(table)


def near_misses(scanner: Scanner) -> None:
    """The same for texts made to be slow: 200 kB of what is almost a value, and the kinds whose search was given up."""
    table = Table("200 kB of", "p50 ms", "values found", "given up", title="texts made of near-misses")
    for name, text in NEAR_MISSES.items():
        pieces = [Piece("", text * (200_000 // len(text)))]
        findings = scanner.scan(pieces)
        took = statistics.median(seconds(partial(scanner.scan, pieces), 9))
        table.add_row(name, f"{took * 1e3:.1f}", str(sum(findings.counts.values())), ", ".join(findings.unscannable))
    out.print(table)


def quality(labelled: list[dict[str, Any]], ours: list[set[str]], peer: dict[str, Any] | None) -> None:
    """Precision and recall per kind, counted in texts: a text has the kind or has not."""
    kinds = sorted({kind for entry in labelled for kind in entry["kinds"]} | {kind for found in ours for kind in found})
    table = Table(
        "kind", "texts with it", "precision", "recall", "Presidio precision", "Presidio recall", title="on the labelled texts"
    )
    sums: Counter[str] = Counter()
    for kind in kinds:
        truth = [kind in entry["kinds"] for entry in labelled]
        row = counted(truth, [kind in found for found in ours])
        sums.update(row)
        theirs = ("", "")
        if peer and kind in ENTITIES:
            theirs = shares(counted(truth, [any(name == ENTITIES[kind] for name, _ in found) for found in peer["found"]]))
        table.add_row(kind, str(sum(truth)), *shares(row), *theirs)
    table.add_row("all", str(sums["hit"] + sums["missed"]), *shares(sums))
    out.print(table)
    clean = [found for entry, found in zip(labelled, ours, strict=True) if not entry["kinds"]]
    out.print(f"texts without anything sensitive: {len(clean)}, flagged {sum(bool(found) for found in clean)}", highlight=False)
    for least in (0.0, 0.4) if peer else ():
        scores = [max((score for _, score in found), default=-1.0) for found in peer["found"]] if peer else []
        flagged = sum(score >= least for entry, score in zip(labelled, scores, strict=True) if not entry["kinds"])
        out.print(f"by Presidio's recognisers of these entities, scores from {least:g}: flagged {flagged}", highlight=False)


def counted(truth: Iterable[bool], found: Iterable[bool]) -> Counter[str]:
    """Texts by outcome."""
    names = {(True, True): "hit", (True, False): "missed", (False, True): "false", (False, False): "rest"}
    return Counter(names[pair] for pair in zip(truth, found, strict=True))


def shares(row: Counter[str]) -> tuple[str, str]:
    """Precision and recall as texts; a dash where nothing was found or nothing was there."""
    found, there = row["hit"] + row["false"], row["hit"] + row["missed"]
    return (f"{row['hit'] / found:.3f}" if found else "-", f"{row['hit'] / there:.3f}" if there else "-")


def presidio(every: list[str], timed: list[str]) -> dict[str, Any] | None:
    """Presidio's findings and times; None, with a line that says so, where it cannot be installed here."""
    python = Path(".venv-presidio/bin/python")
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", ".venv-presidio"], check=True)
            Path(".venv-presidio/.gitignore").write_text("*\n", encoding="utf-8")
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", f"presidio-analyzer=={RELEASE}"],
                check=True,
                stderr=subprocess.DEVNULL,
            )
        asked = json.dumps({"texts": every, "timed": timed, "entities": sorted(ENTITIES.values())})
        done = subprocess.run([python, "-c", PRESIDIO], input=asked, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        out.print(f"Presidio did not run here: {error}", highlight=False)
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def request(text: str) -> Fields:
    """A chat request whose last message is the text."""
    messages = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": text}]
    return {"model": msgspec.Raw(b'"support"'), "messages": msgspec.Raw(msgspec.json.encode(messages))}


def scan(scanner: Scanner, fields: Fields) -> None:
    """What the gateway does with every request."""
    scanner.scan(texts(fields))


def redact(scanner: Scanner, fields: Fields) -> None:
    """What it does with one that leaves with placeholders."""
    Redactor(scanner, {"pii", "phi", "pci", "secret"}).redact(fields)


def seconds(work: Callable[[], Any], rounds: int) -> list[float]:
    """CPU seconds of each round, after a few to warm up."""
    for _ in range(5):
        work()
    gc.collect()
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return took


if __name__ == "__main__":
    main()
