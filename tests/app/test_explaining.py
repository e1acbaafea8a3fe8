"""`freehold explain`: the decision in words and as JSON, the same as the gateway makes it."""

import asyncio
import io
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from in_memory import MemoryLedger, MemorySink, Outbound

from freehold.app import config_file
from freehold.app.cli import main
from freehold.app.cli.counted_words import counted_words
from freehold.app.counting import Moment
from freehold.app.explaining import Asked, explain
from freehold.app.policy import build_policy
from freehold.app.running import Running
from freehold.core.decision import Load, TargetState
from freehold.core.request import Dialect
from freehold.serve.access.keys import digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.wire.dialects import SURFACES
from freehold.wire.openai_chat.surface import ChatSurface

CONFIG = f"""\
version: 1
keys:
  - {{name: app, sha256: {digest("secret")}, data: internal}}
targets:
  api: {{provider: lab, url: "https://api", model: gpt-4o, clearance: internal, regions: [us], price: {{like: openai/gpt-4o}}}}
  box: {{engine: llamacpp, url: "https://box", model: m, clearance: restricted, concurrency: 2, context_tokens: 1000}}
  far: {{provider: lab, url: "https://far", model: gpt-4o, clearance: restricted, regions: [eu], price: {{like: openai/gpt-4o}}}}
workloads:
  triage: {{targets: [box, api, far], spill: true}}
  held: {{targets: [box, api], spill: false}}
"""
CHAT = ChatSurface()
TODAY = date(2026, 11, 21)
NOW = 1_795_000_000.0


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return str(path)


def body(model: str = "triage", **fields: Any) -> bytes:
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": "hello"}], **fields})


def called(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


def sent(raw: bytes, folder: Path) -> str:
    path = folder / "request.json"
    path.write_bytes(raw)
    return str(path)


def test_in_words(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = sent(body(response_format={"type": "json_schema"}), tmp_path)
    header = "x-freehold-data=confidential; label=phi; not-provider=openai; retention-days=7"
    code, said, _ = called([request, "-c", config, "--header", header], capsys)
    assert code == 0
    for line in (
        "Model 'triage' from key 'app' is workload 'triage'",
        "  workload  public",
        "  key       internal",
        "  header    confidential; labels phi; kept 7 days at most; not openai",
        "  together  confidential; labels phi; kept 7 days at most; not openai",
        "json_schema",
        "  1. box (owned): choice 1 of 1",
        "  api, by data_class: confidential data, cleared for internal",
        "  far, by label: phi data needs a business associate agreement or an owned target",
        "  if box fails before its first token: nobody is left; the caller gets the error",
    ):
        assert line in said


def test_what_happens_next(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said, _ = called([sent(body(), tmp_path), "-c", config], capsys)
    assert "  if box fails before its first token: api, then far" in said
    assert "  while box is known to be full: api, spill: box is full (2 of 2 running); far, spill: " in said
    assert "  if box says that it is full when asked: api, then far" in said
    _, said, _ = called([sent(body("held"), tmp_path), "-c", config], capsys)
    assert "  if box says that it is full when asked: nobody is left" in said


def test_as_json_and_on_standard_input(config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body("gpt-4o", max_completion_tokens=2000))))
    code, said, _ = called(["-c", config, "--workload", "triage", "--json"], capsys)
    made = msgspec.json.decode(said)
    assert code == 0
    assert [choice["target"] for choice in made["choices"]] == ["api", "far"]
    assert [(r["target"], r["constraint"]) for r in made["removed"]] == [("box", "context")]
    assert made["least_tokens"] >= 2000
    assert (made["refused"], made["if_full"]) == (None, None)


def test_a_refusal_is_the_answer_no(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = called([sent(body("api"), tmp_path), "-c", config, "--header", "x-freehold-data=restricted"], capsys)
    assert code == 1
    assert "Refused before any target is looked at: 400 invalid_request: 'api' serves several workloads" in said
    far = sent(body("api"), tmp_path)
    code, said, _ = called([far, "-c", config, "--workload", "held", "--header", "x-freehold-data=restricted"], capsys)
    assert code == 1
    assert "Refused: 403 no_target_allowed: no target may serve this request: box: named (the request names another" in said
    code, said, _ = called([sent(b"{", tmp_path), "-c", config, "--json"], capsys)
    assert (code, msgspec.json.decode(said)["status"]) == (1, 400)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json"], "cannot read nowhere.json: No such file or directory"),
        (["--key", "nobody"], "no key 'nobody' in the file; there are app"),
        (["--header", "x-freehold-data"], "--header is 'x-freehold-data'; write name=value"),
        (["--surface", "chat/completions"], "--surface is 'chat/completions'; use one of chat, completions, responses, "),
    ],
)
def test_bad_input(
    arguments: list[str], words: str, config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body())))
    code, out, err = called([*arguments, "-c", config], capsys)
    assert (code, out) == (2, "")
    assert words in err


def test_several_keys_must_be_told_apart(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(config)
    two = CONFIG.replace("targets:", f"  - {{name: two, sha256: {'b' * 64}, data: confidential}}\ntargets:", 1)
    path.write_text(two, encoding="utf-8")
    request = sent(body(), tmp_path)
    code, _, err = called([request, "-c", config], capsys)
    assert code == 2
    assert "say --key with one of app, two" in err
    _, said, _ = called([request, "-c", config, "--key", "two"], capsys)
    assert "  together  confidential" in said


@pytest.mark.parametrize("data", [None, "confidential", "public; region=eu", "internal; label=phi"])
@pytest.mark.parametrize("busy", [False, True])
def test_the_gateway_does_what_was_explained(config: str, data: str | None, busy: bool) -> None:
    policy = build_policy(config_file.load(Path(config)), TODAY)
    headers = {"authorization": "Bearer secret"} | ({} if data is None else {"x-freehold-data": data})
    key = policy.keys.find(digest("secret"))
    assert key is not None
    said = explain(Asked(CHAT, body(), headers), key, policy, Moment(NOW))

    async def run() -> tuple[list[str], list[tuple[str, str]]]:
        outbound, ledger = Outbound(["down"]), MemoryLedger()
        gateway = Gateway(policy, outbound, ledger)
        if busy:
            gateway.board.read_load("box", Load(running=2, waiting=1))

        async def read() -> bytes:
            return body()

        await handle(CHAT, headers, read, MemorySink(), gateway)
        (entry,) = ledger.entries
        return outbound.reached, [(removed.target, removed.constraint) for removed in entry.removed]

    reached, removed = asyncio.run(run())
    order = said.if_full if busy and said.if_full is not None else said.choices
    assert reached == [choice.target for choice in order]
    assert removed == [(r.target, r.constraint) for r in said.removed]


ASKED: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 9},
    "openai_completions": {"prompt": "hello", "max_tokens": 9},
    "openai_responses": {"input": [{"role": "user", "content": "hello"}], "max_output_tokens": 9},
    "openai_embeddings": {"input": ["hello"], "encoding_format": "float"},
    "anthropic_messages": {"messages": [{"role": "user", "content": "hello"}], "system": "Be brief.", "max_tokens": 9},
    "anthropic_count_tokens": {"messages": [{"role": "user", "content": "hello"}], "system": "Be brief."},
}


@pytest.mark.parametrize("dialect", ASKED)
async def test_every_dialect_is_explained_as_the_gateway_decides(
    dialect: Dialect, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = msgspec.json.encode({"model": "triage"} | ASKED[dialect])
    code, said, _ = called([sent(raw, tmp_path), "-c", config, "--json"], capsys)
    made = msgspec.json.decode(said)
    assert made["dialect"] == dialect
    outbound, ledger = Outbound(["down"]), MemoryLedger()
    gateway = Gateway(build_policy(config_file.load(Path(config)), TODAY), outbound, ledger)

    async def read() -> bytes:
        return raw

    await handle(SURFACES[dialect], {"authorization": "Bearer secret"}, read, MemorySink(), gateway)
    (entry,) = ledger.entries
    assert outbound.reached == [choice["target"] for choice in made["choices"]]
    assert [(r.target, r.constraint) for r in entry.removed] == [(r["target"], r["constraint"]) for r in made["removed"]]
    assert (code, made["refused_as"]) == ((0, None) if made["choices"] else (1, f"{entry.status} {entry.error_code}"))


def test_a_count_costs_nothing_and_needs_nobody(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text(CONFIG + "budgets: [{name: all, scope: key, usd: 1}]\n", encoding="utf-8")
    raw = sent(msgspec.json.encode({"model": "held"} | ASKED["anthropic_count_tokens"]), tmp_path)
    code, said, _ = called([raw, "-c", config], capsys)
    assert code == 0
    assert "Read as anthropic_count_tokens." in said
    assert "nothing is set aside, since nothing would be billed" in said
    raw = sent(msgspec.json.encode({"model": "far"} | ASKED["anthropic_count_tokens"]), tmp_path)
    code, said, _ = called([raw, "-c", config], capsys)
    assert code == 0
    assert "\nNobody has to be asked: the count is estimated here" in said


def test_a_body_that_may_be_of_two_dialects_is_told_by_its_sender(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sent(body(max_tokens=9, tool_choice={"type": "any"}, stop="x"), tmp_path)
    code, out, err = called([raw, "-c", config], capsys)
    assert (code, out) == (2, "")
    assert "may be a request to /v1/chat/completions or to /v1/messages; say --surface chat or --surface messages" in err
    raw = sent(body(max_tokens=9), tmp_path)
    for surface, dialect in (("chat", "openai_chat"), ("/v1/messages", "anthropic_messages")):
        code, said, _ = called([raw, "-c", config, "--surface", surface], capsys)
        assert code == 0
        assert f"Read as {dialect}." in said
    _, said, _ = called([raw, "-c", config, "--header", "anthropic-version=2023-06-01"], capsys)
    assert "Read as anthropic_messages." in said


def test_it_decides_by_how_busy_a_gateway_says_that_targets_are(config: str) -> None:
    policy = build_policy(config_file.load(Path(config)), TODAY)
    key = policy.keys.find(digest("secret"))
    assert key is not None
    at_rest = explain(Asked(CHAT, body()), key, policy, Moment(NOW))
    assert [choice.target for choice in at_rest.choices] == ["box", "api", "far"]
    busy = Running("another", {"box": TargetState(in_flight=2), "api": TargetState(cooling_s=3.0), "gone": TargetState()})
    said = explain(Asked(CHAT, body()), key, policy, Moment(NOW, busy))
    assert [choice.target for choice in said.choices] == ["far", "box", "api"]
    words = list(counted_words(said, ""))
    assert words[words.index("\nHow busy") + 1 :] == [
        f"  the gateway serves policy another, and this file is {policy.version}",
        "  far: that gateway does not know it",
        "  box: 2 under way",
        "  api: 0 under way, cooling down for 3.0 s",
    ]
