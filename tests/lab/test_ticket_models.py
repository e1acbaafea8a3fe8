"""The worse ticket model is worse as its card says, and the deep one says what its source says, on the real engine."""

import json
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

import pytest

from freehold.app.weights import resolve_model, sha256_of
from freehold.core.errors import BadSettings
from freehold.lab.ticket_models import MOST_LAYERS, deepened, worse_model
from freehold.lab.tickets import PHRASES, label_of, ticket

GOOD = resolve_model("tiny-tickets")
READY_S = 60.0


@contextmanager
def served(weights: Path) -> Iterator[int]:
    """While inside, llama.cpp answers with these weights; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "freehold", "engines", "run", str(weights), "--port", str(port), "--parallel", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = monotonic() + READY_S
        while not healthy(port):
            assert child.poll() is None
            assert monotonic() < deadline
            sleep(0.05)
        yield port
    finally:
        child.terminate()
        child.wait(20)


def healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def said(port: int, text: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    content: str = json.loads(connection.getresponse().read())["choices"][0]["message"]["content"]
    connection.close()
    return content


def test_fewer_phrases_are_the_first_of_each_label() -> None:
    every, few = random.Random(1), random.Random(1)
    texts = {ticket(few, 3)[0] for _ in range(500)}
    assert all(label_of(text) for text in texts)
    assert [ticket(random.Random(seed)) for seed in range(50)] == [ticket(random.Random(seed), PHRASES) for seed in range(50)]
    fifth = "cancel and reimburse the"
    assert not any(fifth in text for text in texts)
    assert any(fifth in ticket(every)[0] for _ in range(500))


def test_the_worse_model_is_worse_in_what_it_says_and_not_in_how() -> None:
    source = random.Random(11)
    known, all_of = [ticket(source, 3) for _ in range(40)], [ticket(source) for _ in range(80)]
    with served(worse_model()) as port:
        right = sum(json.loads(said(port, text))["label"] == label for text, label in known)
        of_all = sum(json.loads(said(port, text))["label"] == label for text, label in all_of)  # raises where it is no JSON
    assert right >= 38
    assert 30 <= of_all <= 65


def test_the_models_card_is_about_this_file() -> None:
    card = (worse_model().parent / "README.md").read_text(encoding="utf-8")
    assert sha256_of(worse_model()) in card
    assert f"{worse_model().stat().st_size:,} bytes" in card


def test_a_deep_model_says_the_very_same(tmp_path: Path) -> None:
    source = random.Random(5)
    texts = [ticket(source)[0] for _ in range(15)] + ["words that no ticket has", "billing refund login"]
    with served(GOOD) as port:
        told = [said(port, text) for text in texts]
    with served(deepened(GOOD, tmp_path / "deep.gguf", 20)) as port:
        assert [said(port, text) for text in texts] == told


def test_a_deep_model_keeps_every_number_of_its_source(tmp_path: Path) -> None:
    made, source = deepened(GOOD, tmp_path / "deep.gguf", 3).read_bytes(), GOOD.read_bytes()
    (listed,) = struct.unpack_from("<Q", source, 8)
    assert struct.unpack_from("<Q", made, 8) == (listed + 9,), "one layer more has nine tensors"
    numbers = source[-37_000:]
    at = made.index(numbers)
    assert set(made[at + len(numbers) :]) == {0}


@pytest.mark.parametrize("layers", [0, 2, MOST_LAYERS + 1])
def test_as_many_layers_as_there_are_is_bad_input(tmp_path: Path, layers: int) -> None:
    with pytest.raises(BadSettings, match=f"layers is {layers}; use 3 to {MOST_LAYERS}"):
        deepened(GOOD, tmp_path / "deep.gguf", layers)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + b"\0" * 40])
def test_what_is_no_model_is_bad_input(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "none.gguf"
    source.write_bytes(content)
    with pytest.raises(BadSettings, match=r"none\.gguf is no llama model in GGUF version 3"):
        deepened(source, tmp_path / "deep.gguf", 5)
