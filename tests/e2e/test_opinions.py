"""Second opinions end to end: a real gateway that asks an owned model about every text before it decides where that may go.

The model stands on loopback and says what a test lets it say; whatever it says, and if it says nothing, nothing is taken away.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.echo import Echo, echo
from e2e.house import Gateway, House, owned

NAME = "Ada Byron"  # no pattern finds a name
NOTHING = {"pii": False, "phi": False, "pci": False, "secret": False}
PRICE = {"input": 1, "output": 2, "source": "tests"}


class Judge:
    """A model whose next words a test decides; it keeps the texts that it was shown."""

    def __init__(self) -> None:
        self.fresh()

    def fresh(self) -> None:
        self.status, self.says, self.shown = 200, json.dumps(NOTHING), ""

    def answer(self, request: Any) -> bytes:
        self.shown += request["messages"][-1]["content"]
        choice = {"index": 0, "message": {"role": "assistant", "content": self.says}, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()


@contextmanager
def judging(judge: Judge) -> Iterator[str]:
    """Its address, while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = judge.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(judge.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("opinions")) as house:
        yield house


@pytest.fixture(scope="module")
def server() -> Iterator[Echo]:
    """Where requests go that may leave the house."""
    with echo() as api:
        yield api


@pytest.fixture
def api(server: Echo) -> Echo:
    server.fresh()
    return server


@pytest.fixture(scope="module")
def model() -> Judge:
    return Judge()


@pytest.fixture
def judge(model: Judge) -> Judge:
    model.fresh()
    return model


@pytest.fixture(scope="module")
def gateways(house: House, server: Echo, model: Judge) -> Iterator[dict[str, Gateway]]:
    """One for each thing that may be done where there is no opinion."""

    def world(on_failure: str, url: str) -> dict[str, Any]:
        target = {"provider": "lab", "url": server.url, "model": "m", "clearance": "internal", "price": PRICE}
        opinion = {"by": "classifier", "target": "judge", "on_failure": on_failure, "deadline_s": 10, "longest": 5000}
        return {
            "targets": {"api": target, "judge": owned(url)},
            "workloads": {"w": {"targets": ["api", "judge"]}},
            "sensitivity": {"labels": {"secret": "block"}, "opinions": {"second": opinion}},
        }

    with judging(model) as url:
        yield {way: house.gateway(way, world(way, url)) for way in ("raise", "block", "ignore")}


async def send(gateway: Gateway, text: str) -> Answer:
    async with caller(gateway.url) as session:
        return await ask(session, chat("w", text))


def findings(gateway: Gateway, answer: Answer) -> Any:
    return json.loads(gateway.entry(answer.id)["findings"] or "{}")


async def test_a_text_is_judged_before_it_goes_anywhere(gateways: dict[str, Gateway], api: Echo, judge: Judge) -> None:
    answer = await send(gateways["raise"], "What is a monad?")
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "api")
    assert "What is a monad?" in judge.shown
    assert findings(gateways["raise"], answer) == {}


async def test_what_only_the_model_sees_keeps_the_request_in_the_house(
    gateways: dict[str, Gateway], api: Echo, judge: Judge
) -> None:
    judge.says = json.dumps(NOTHING | {"pii": True})
    answer = await send(gateways["raise"], f"{NAME} lives here")
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "judge")
    assert not api.received
    assert findings(gateways["raise"], answer) == {"second pii": 1}
    assert gateways["raise"].entry(answer.id)["data_class"] == "confidential"
    for path in gateways["raise"].ledger.parent.iterdir():
        assert not path.is_file() or NAME.encode() not in path.read_bytes(), path


async def test_what_the_model_finds_may_be_blocked(gateways: dict[str, Gateway], api: Echo, judge: Judge) -> None:
    judge.says = json.dumps(NOTHING | {"secret": True})
    answer = await send(gateways["raise"], "the word is swordfish")
    assert (answer.status, answer.error["message"]) == (
        403, "the content holds what may not be sent (secret): 1 second secret",
    )  # fmt: skip
    assert not api.received


@pytest.mark.parametrize("failing", ["prose", "down", "long"])
async def test_without_an_opinion_it_is_raised_blocked_or_let_go(
    gateways: dict[str, Gateway], api: Echo, judge: Judge, failing: str
) -> None:
    judge.says = "I cannot say." if failing == "prose" else judge.says
    judge.status = 503 if failing == "down" else 200
    text = "x " * 3000 if failing == "long" else "hello"
    raised = await send(gateways["raise"], text)
    assert gateways["raise"].entry(raised.id)["data_class"] == "restricted"
    blocked = await send(gateways["block"], text)
    assert (blocked.status, blocked.error["code"]) == (403, "content_blocked")
    assert not api.received
    let_go = await send(gateways["ignore"], text)
    assert (let_go.status, let_go.headers["x-freehold-target"]) == (200, "api")
    for gateway, answer in ((gateways["raise"], raised), (gateways["block"], blocked), (gateways["ignore"], let_go)):
        assert findings(gateway, answer) == {"second failed": 1}


def test_the_log_says_that_there_was_none_and_not_of_what(gateways: dict[str, Gateway]) -> None:
    log = Path(gateways["raise"].log).read_text(encoding="utf-8")
    assert "no second opinion" in log
    assert "second" in log
    assert NAME not in log
