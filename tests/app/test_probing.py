"""Probing real servers: the lab's engine, which ignores what it does not know; llama.cpp, which does not; and bad ones."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from e2e.house import free_port

from freehold.app.cli import main
from freehold.app.engines import supervised
from freehold.app.probes import Probed, read_probes
from freehold.app.probing import NoAnswer, probe
from freehold.app.weights import resolve_model
from freehold.core.data import DataClass
from freehold.core.ports import EngineSpec
from freehold.core.target import Target
from freehold.lab.engine import EngineSettings, build_engine
from freehold.lab.server import serving
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS
from freehold.serve.transport.outbound import AiohttpOutbound

QUICK = EngineSettings(ttft_ms=0, tokens_per_s=1e6)


async def found_at(url: str, engine: str = "vllm") -> Probed:
    target = Target(name="t", kind="owned", codec=engine, url=url, model="m", clearance=DataClass.public)
    async with AiohttpOutbound() as outbound:
        return await probe(target, ENGINES[engine].codec, outbound)


def verdicts(probed: Probed) -> dict[str, str]:
    return {name: finding.verdict for name, finding in probed.findings.items()}


async def test_the_lab_engine_accepts_what_it_ignores() -> None:
    async with serving(build_engine(QUICK)) as url:
        probed = await found_at(url)
    assert verdicts(probed) == {
        "tools": "honoured", "json_schema": "ignored", "json_object": "ignored", "logprobs": "ignored", "choices": "honoured",
        "vision": "ignored", "stream_usage": "honoured",
    }  # fmt: skip
    assert probed.capabilities()["json_schema"] is False, "accepted and not honoured is absent"
    assert (probed.server, probed.url, probed.version) == ("vllm", url, "freehold-lab")


async def test_llamacpp_enforces_a_schema_against_the_models_own_will() -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    spec = EngineSpec(model_path=str(resolve_model("tiny-tickets")), alias="tiny-tickets", port=free_port())
    launch = ENGINES["llamacpp"].launch(spec)
    async with supervised(launch, log=lambda _: None):
        probed = await found_at(launch.url, "llamacpp")
    assert verdicts(probed) == {
        "tools": "ignored",  # the weights' chat template knows none: dropped in silence
        "json_schema": "honoured", "json_object": "unclear", "logprobs": "honoured", "choices": "honoured",
        "vision": "refused", "stream_usage": "honoured",
    }  # fmt: skip
    assert probed.version


class Canned(BaseHTTPRequestHandler):
    """Answers every request by what `say` makes of its body."""

    status: ClassVar[int] = 200
    plain: ClassVar[bool] = True

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, said = self.say(body)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def say(self, body: dict[str, Any]) -> tuple[int, bytes]:
        message = {"role": "assistant", "content": "Hello.", "tool_calls": None}
        asked = body.keys() - {"model", "messages", "temperature", "max_tokens"}
        if asked and self.status != 200:
            return self.status, b'{"error":{"code":"nope"}}'
        if not self.plain:
            return self.status, b"<html>"
        return 200, json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def canned(request: pytest.FixtureRequest) -> Iterator[str]:
    status, plain = request.param
    handler = type("Handler", (Canned,), {"status": status, "plain": plain})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("canned", "expected"),
    [((400, True), "refused"), ((501, True), "refused"), ((503, True), "unclear"), ((429, True), "unclear")],
    indirect=["canned"],
)
async def test_a_refusal_is_absent_and_a_bad_moment_says_nothing(canned: str, expected: str) -> None:
    probed = await found_at(canned)
    found = verdicts(probed)
    assert found.pop("vision") == "ignored", "it asks with nothing but its content"
    assert set(found.values()) == {expected}
    assert probed.version is None


@pytest.mark.parametrize("canned", [(200, False), (500, False)], indirect=True)
async def test_one_that_answers_no_plain_request_is_not_judged(canned: str) -> None:
    with pytest.raises(NoAnswer, match="a plain request got"):
        await found_at(canned)


async def test_one_that_is_not_there_is_not_judged() -> None:
    with pytest.raises(NoAnswer, match="unreachable: Connection refused"):
        await found_at(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "google", "replicate"])
async def test_one_with_a_dialect_of_its_own_is_not_asked(provider: str) -> None:
    target = Target(name="t", kind="rented", codec=provider, url="http://127.0.0.1:1", model="m", clearance=DataClass.public)
    async with AiohttpOutbound() as outbound:
        with pytest.raises(NoAnswer, match="it takes no chat completions, which is how we ask; capabilities: says what it"):
            await probe(target, PROVIDERS[provider].codec(), outbound)


CONFIG = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  lab: {{engine: vllm, url: "URL", model: m, clearance: public, lab: true}}
  gone: {{engine: vllm, url: "http://127.0.0.1:1", model: m, clearance: public}}
  api: {{provider: lab, url: "URL", model: gpt-4o, clearance: public, price: {{like: openai/gpt-4o}}}}
workloads:
  w: {{targets: [lab, gone, api]}}
"""


@asynccontextmanager
async def configured(folder: Path) -> AsyncIterator[str]:
    async with serving(build_engine(QUICK)) as url:
        path = folder / "freehold.yaml"
        path.write_text(CONFIG.replace("URL", url), encoding="utf-8")
        yield str(path)


def check(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


async def test_the_command_asks_owned_targets_and_keeps_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with configured(tmp_path) as config:
        assert await asyncio.to_thread(check, "-c", config, "--probe", "--json") == 1, "one of them does not answer"
        said = json.loads(capsys.readouterr().out)
        assert (list(said["targets"]), list(said["silent"])) == (["lab"], ["gone"])
        first = read_probes(Path(config)).targets["lab"]
        assert first.findings["logprobs"].verdict == "ignored"
        assert await asyncio.to_thread(check, "-c", config, "--probe", "--target", "api", "--paid") == 0
        assert "ignored" in capsys.readouterr().out
        assert read_probes(Path(config)).targets.keys() == {"lab", "api"}
        assert read_probes(Path(config)).targets["lab"] == first, "what was not asked again stays"
        assert await asyncio.to_thread(check, "-c", config, "--json") == 0
        assert json.loads(capsys.readouterr().out)["capabilities"]["lab"]["logprobs"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--probe", "--target", "nobody"], "--target nobody: no such target; there are lab, gone, api"),
        (["--probe", "--target", "api"], "--target api is rented, and asking it costs money; add --paid"),
        (["--target", "lab"], "add --probe"),
        (["--paid"], "add --probe"),
    ],
)
def test_bad_input(arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG.replace("URL", "http://127.0.0.1:2"), encoding="utf-8")
    assert check("-c", str(path), *arguments) == 2
    assert words in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["freehold.yaml"]
