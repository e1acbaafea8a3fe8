"""Sensitive content end to end: a real gateway before a target that echoes, one rented and one owned.

Whatever is done about a value, it is in nothing that the gateway keeps or tells: not in its files, log, metrics or admin replies.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.echo import Echo, echo
from e2e.house import ADMIN_KEY, Gateway, House, fetch, owned
from freehold.app.cli import main

CARD = "4012 8888 8888 1881"
EMAIL = "ada.byron@corp-mail.org"
OTHER_EMAIL = "grace@corp-mail.org"
SSN = "536-22-8145"
MRN = "48291377"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
BADGE = "BDG-77120-X"
VALUES = [CARD, EMAIL, OTHER_EMAIL, SSN, MRN, TOKEN, BADGE]
TEXT = f"Größe für {EMAIL} 😀 und {SSN}: schreib <EMAIL_1> nicht, sondern {OTHER_EMAIL} und noch einmal {EMAIL} – schön 日本"
PRICE = {"input": 1, "output": 2, "source": "tests"}
OWN_KINDS = """\
kinds:
- {name: badge, title: badge of the house, label: pii, data_class: confidential, source: ours,
   patterns: ['\\bBDG-\\d{5}-[A-Z]\\b']}
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One of its own, so that all its files can be searched."""
    with House(tmp_path_factory.mktemp("sensitivity")) as house:
        yield house


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Echo, Echo]]:
    with echo() as api, echo() as own:
        yield api, own


@pytest.fixture
def api(servers: tuple[Echo, Echo]) -> Echo:
    servers[0].fresh()
    return servers[0]


@pytest.fixture
def own(servers: tuple[Echo, Echo]) -> Echo:
    servers[1].fresh()
    return servers[1]


def world(servers: tuple[Echo, Echo]) -> dict[str, Any]:
    target = {"provider": "lab", "url": servers[0].url, "model": "m", "clearance": "internal", "price": PRICE}
    targets = {"api": target | {"capabilities": {"vision": True}}, "own": owned(servers[1].url)}
    return {
        "targets": targets,
        "workloads": {
            "w": {"targets": ["api", "own"]},
            "rented": {"targets": ["api"]},
            "own-first": {"targets": ["own", "api"]},
            "noting": {"targets": ["api"], "sensitivity": dict.fromkeys(("pii", "phi", "pci", "secret"), "note")},
            "strict": {"targets": ["api", "own"], "sensitivity": {"pii": "block"}},
        },
    }


def without_a_word(servers: tuple[Echo, Echo]) -> dict[str, Any]:
    config = world(servers)
    for workload in config["workloads"].values():
        workload.pop("sensitivity", None)
    return config


@pytest.fixture(scope="module")
def gateway(house: House, servers: tuple[Echo, Echo]) -> Gateway:
    """Redacts what is personal, blocks secrets, raises the rest."""
    (house.folder / "own.yaml").write_text(OWN_KINDS, encoding="utf-8")
    stated = {"labels": {"pii": "redact", "phi": "raise restricted", "secret": "block"}, "patterns": ["own.yaml"]}
    return house.gateway("stated", world(servers) | {"sensitivity": stated})


@pytest.fixture(scope="module")
def silent(house: House, servers: tuple[Echo, Echo]) -> Gateway:
    """Without the section."""
    return house.gateway("silent", without_a_word(servers))


@pytest.fixture(scope="module")
def blind(house: House, servers: tuple[Echo, Echo]) -> Gateway:
    return house.gateway("blind", without_a_word(servers) | {"sensitivity": {"scan": False}})


async def send(gateway: Gateway, body: dict[str, Any]) -> Answer:
    async with caller(gateway.url) as session:
        return await ask(session, body)


def later(model: str, tool_result: str, **fields: Any) -> dict[str, Any]:
    """A conversation in which a tool said that, some turns ago."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"found": tool_result})},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "And what is the weather?"},
    ]
    return {"model": model, "messages": messages, **fields}


def keeps_nothing(gateway: Gateway) -> None:
    """None of the values is in a file of its folder, the metrics or an admin reply; what is looked through is not empty."""
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    names = ("entries?limit=1000", "summary", "config", "budgets", "signals")
    told = {path: fetch(gateway.admin_url, f"/admin/{path}", admin) for path in names}
    told["metrics"] = fetch(gateway.url, "/metrics")
    assert {status for status, _ in told.values()} == {200}
    places = {path: body for path, (_, body) in told.items()}
    places |= {str(path): path.read_bytes() for path in gateway.ledger.parent.rglob("*") if path.is_file()}
    assert {f"{gateway.name}.db", f"{gateway.name}.db-wal", f"{gateway.name}.log"} <= {Path(place).name for place in places}
    assert gateway.entries()[-1]["id"].encode() in places["entries?limit=1000"]
    spellings = {form for value in VALUES for form in (value, value.replace(" ", ""), value.replace("-", ""))}
    for place, body in places.items():
        assert not [form for form in spellings if form.encode() in body], place


def findings(gateway: Gateway, answer: Answer) -> Any:
    return json.loads(gateway.entry(answer.id)["findings"] or "{}")


async def test_without_the_section_it_is_noted_and_passes(silent: Gateway, api: Echo) -> None:
    answer = await send(silent, later("w", f"card {CARD}, MRN {MRN}, token {TOKEN}", user=EMAIL))
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "api")
    assert CARD in api.seen
    assert findings(silent, answer) == {"payment_card": 1, "medical_record_number": 1, "github_token": 1, "email": 1}
    assert silent.entry(answer.id)["data_class"] == "public"
    keeps_nothing(silent)


@pytest.mark.parametrize("held", [(f"the card is {CARD}", "payment_card"), (f"MRN {MRN}", "medical_record_number")])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_an_earlier_turn_held_moves_it_to_the_owned_target(
    gateway: Gateway, api: Echo, own: Echo, held: tuple[str, str], stream: bool
) -> None:
    said, kind = held
    answer = await send(gateway, later("w", said, stream=stream))
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "own")
    assert said in own.seen
    assert not api.received
    entry = gateway.entry(answer.id)
    assert entry["data_class"] == "restricted"
    assert json.loads(entry["removed"])[0]["target"] == "api"
    assert findings(gateway, answer) == {kind: 1}
    keeps_nothing(gateway)


async def test_where_no_target_is_cleared_nothing_is_sent(gateway: Gateway, api: Echo) -> None:
    answer = await send(gateway, later("rented", f"the card is {CARD}"))
    assert (answer.status, answer.error["code"]) == (403, "no_target_allowed")
    assert "api: data_class (restricted data, cleared for internal)" in answer.error["message"]
    assert not api.received
    assert gateway.entry(answer.id)["outcome"] == "refused"
    keeps_nothing(gateway)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_secret_is_blocked(gateway: Gateway, api: Echo, own: Echo, stream: bool) -> None:
    answer = await send(gateway, later("w", f"use {TOKEN} and {TOKEN}, write to {EMAIL}", stream=stream))
    assert (answer.status, answer.error["code"], answer.error["type"]) == (403, "content_blocked", "permission_error")
    assert answer.error["message"] == "the content holds what may not be sent (secret): 1 email, 2 github_token"
    assert not api.received
    assert not own.received
    entry = gateway.entry(answer.id)
    assert (entry["outcome"], entry["error_code"], entry["target"], entry["attempts"]) == ("refused", "content_blocked", None, [])
    assert findings(gateway, answer) == {"github_token": 2, "email": 1}
    keeps_nothing(gateway)


async def test_a_rented_target_sees_placeholders_in_every_field(gateway: Gateway, api: Echo) -> None:
    schema = {"type": "object", "properties": {"to": {"enum": [EMAIL]}, OTHER_EMAIL: {"type": "string"}}}
    call = {"id": "1", "type": "function", "function": {"name": "mail", "arguments": json.dumps({"to": EMAIL, "ssn": SSN})}}
    messages = [
        {"role": "system", "content": f"You work for {EMAIL}."},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": f"ssn {SSN}"},
        {"role": "tool", "tool_call_id": "1", "content": f"sent to {EMAIL}"},
        {"role": "user", "name": EMAIL, "content": [{"type": "text", "text": TEXT}, {"type": "text", "text": BADGE}]},
    ]
    body = {
        "model": "rented", "messages": messages, "user": EMAIL, "metadata": {OTHER_EMAIL: EMAIL}, "stop": [EMAIL],
        "tools": [{"type": "function", "function": {"name": "mail", "description": EMAIL, "parameters": schema}}],
        "prediction": {"type": "content", "content": TEXT}, "x_note": {"deep": [{EMAIL: SSN}]},
    }  # fmt: skip
    answer = await send(gateway, body)
    assert answer.status == 200, answer.body
    assert not [value for value in VALUES if value in api.seen]
    assert "<EMAIL_2>" in api.seen
    assert "<BADGE_1>" in api.seen
    assert answer.text == TEXT + BADGE
    assert findings(gateway, answer)["badge"] == 1
    keeps_nothing(gateway)


@pytest.mark.parametrize("as_arguments", [False, True])
@pytest.mark.parametrize("pieces", [(1, 1), (2, 3), (5, 7), (7, 64), (1000, 5)])
async def test_the_caller_gets_its_own_values_back_wherever_they_are_cut(
    gateway: Gateway, api: Echo, pieces: tuple[int, int], as_arguments: bool
) -> None:
    (api.letters, api.octets), api.as_arguments = pieces, as_arguments
    answer = await send(gateway, chat("rented", TEXT, stream=True))
    assert answer.done
    assert EMAIL not in api.seen
    if as_arguments:
        deltas = [
            call for chunk in answer.chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])
        ]
        assert json.loads("".join(call["function"]["arguments"] for call in deltas)) == {"said": TEXT}
    else:
        assert answer.text == TEXT
    keeps_nothing(gateway)


async def test_arguments_of_a_whole_answer_are_restored_too(gateway: Gateway, api: Echo) -> None:
    api.as_arguments = True
    answer = await send(gateway, chat("rented", TEXT))
    (call,) = answer.json["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"said": TEXT}
    assert EMAIL not in api.seen


@pytest.mark.parametrize("stream", [False, True])
async def test_failing_over_to_the_owned_target_shows_it_whole(gateway: Gateway, api: Echo, own: Echo, stream: bool) -> None:
    api.status = 500
    answer = await send(gateway, chat("w", TEXT, stream=stream))
    assert (answer.text, answer.headers["x-freehold-target"], answer.headers["x-freehold-attempts"]) == (TEXT, "own", "2")
    assert EMAIL not in api.seen
    assert TEXT in own.seen
    keeps_nothing(gateway)


async def test_a_refusal_that_repeats_the_prompt_says_it_in_the_callers_words(gateway: Gateway, api: Echo) -> None:
    api.status = 400
    refused = await send(gateway, chat("rented", TEXT))
    assert (refused.status, refused.error["message"]) == (400, TEXT)
    assert TEXT not in api.seen


@pytest.mark.parametrize("stream", [False, True])
async def test_failing_over_to_the_rented_target_shows_it_placeholders(
    gateway: Gateway, api: Echo, own: Echo, stream: bool
) -> None:
    own.status = 500
    answer = await send(gateway, chat("own-first", TEXT, stream=stream))
    assert (answer.text, answer.headers["x-freehold-target"], answer.headers["x-freehold-attempts"]) == (TEXT, "api", "2")
    assert TEXT in own.seen
    assert not [value for value in VALUES if value in api.seen]
    keeps_nothing(gateway)


async def test_an_answer_that_cannot_be_restored_is_no_answer(gateway: Gateway, api: Echo, own: Echo) -> None:
    """It is asked for elsewhere; where there is nobody else, that is said."""
    api.deep = True
    whole = await send(gateway, chat("w", TEXT))
    assert (whole.text, whole.headers["x-freehold-target"]) == (TEXT, "own")
    assert gateway.entry(whole.id)["attempts"][0]["outcome"] == "malformed"
    stream = await send(gateway, chat("rented", TEXT, stream=True))
    assert (stream.done, stream.error["code"]) == (False, "targets_exhausted")
    assert gateway.entry(stream.id)["outcome"] == "failed"


async def test_a_workload_may_do_otherwise(gateway: Gateway, api: Echo, own: Echo) -> None:
    noted = await send(gateway, chat("noting", f"{TEXT} {CARD} {TOKEN}"))
    assert (noted.status, noted.text) == (200, f"{TEXT} {CARD} {TOKEN}")
    assert TOKEN in api.seen
    api.fresh()
    blocked = await send(gateway, chat("strict", TEXT))
    assert (blocked.status, blocked.error["code"]) == (403, "content_blocked")
    raised = await send(gateway, chat("strict", CARD))  # what it does not name is as the section says
    assert raised.headers["x-freehold-target"] == "own"
    assert not api.received
    keeps_nothing(gateway)


async def test_scanning_may_be_switched_off(blind: Gateway, api: Echo) -> None:
    answer = await send(blind, chat("rented", f"{TEXT} {CARD} {TOKEN}"))
    assert (answer.status, answer.text) == (200, f"{TEXT} {CARD} {TOKEN}")
    assert findings(blind, answer) == {}
    keeps_nothing(blind)


async def test_parts_that_cannot_be_read_are_counted(gateway: Gateway, api: Echo) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo" * 40}}
    answer = await send(gateway, chat("rented", [{"type": "text", "text": f"Who is {EMAIL}?"}, image]))  # type: ignore[arg-type]
    assert (answer.status, answer.text) == (200, f"Who is {EMAIL}?")
    assert findings(gateway, answer) == {"email": 1, "unscannable image": 1}


async def test_a_text_that_was_not_read_whole_stays_in_the_house(gateway: Gateway, api: Echo, own: Echo) -> None:
    """More near-misses than are looked at: what may be among them counts as found, and placeholders could not hide it."""
    answer = await send(gateway, chat("w", "000-12-3456 " * 6000))
    assert (answer.status, answer.headers["x-freehold-target"]) == (200, "own")
    assert not api.received
    assert findings(gateway, answer) == {"unscannable us_ssn": 1}
    assert gateway.entry(answer.id)["data_class"] == "confidential"


async def test_what_cannot_be_redacted_is_sent_nowhere(gateway: Gateway, api: Echo) -> None:
    deep: Any = EMAIL
    for _ in range(600):
        deep = {"a": deep}
    tools = [{"type": "function", "function": {"name": "f", "parameters": deep}}]
    for body, why in (
        (chat("rented", "hello", tools=tools), "the content cannot be redacted: tools nests too deeply to be read"),
        (chat("rented", "hello", **{EMAIL: 1}), "the name of a field holds what is to be redacted; put it into a value"),
    ):
        answer = await send(gateway, body)
        assert (answer.status, answer.error["message"]) == (400, why)
        assert findings(gateway, answer)["email"] >= 1
    assert not api.received
    keeps_nothing(gateway)


def test_explain_says_what_would_be_found_and_done(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """Kinds and counts, never a value; and what is blocked is refused as the gateway would."""
    config = str(gateway.ledger.with_suffix(".yaml"))
    request = gateway.ledger.parent / "request.json"

    def explained(text: str, *flags: str) -> tuple[object, str]:
        request.write_text(json.dumps(chat("w", text)), encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["explain", str(request), "-c", config, *flags])
        request.unlink()
        said = capsys.readouterr().out
        assert not [value for value in VALUES if value in said]
        return ended.value.code, said

    code, said = explained(f"{TEXT} {CARD}")
    assert code == 0
    assert "content   restricted; labels pci" in said
    assert "found     3 email, 1 payment_card, 1 us_ssn in its content; rented targets see placeholders" in said
    assert "api, by data_class: restricted data, cleared for internal" in said
    code, said = explained(f"{TEXT} {CARD}", "--json")
    told = json.loads(said)
    assert (told["findings"], told["redacted"]) == ({"email": 3, "payment_card": 1, "us_ssn": 1}, True)
    code, said = explained(TOKEN)
    assert code == 1
    assert "403 content_blocked: the content holds what may not be sent (secret): 1 github_token" in said


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("sensitivity: {labels: {pii: hide}}", ":8: sensitivity.labels: labels.pii is 'hide'; use raise, raise CLASS, block"),
        ("sensitivity: {labels: {gdpr: block}}", ":8: sensitivity.labels: labels.gdpr is not a label; use one of pii, phi"),
        ("sensitivity: {scans: true}", ":8: sensitivity.scans: unknown field"),
        ("sensitivity: {patterns: [none.yaml]}", ":8: sensitivity.patterns.0: cannot read it: "),
        ("sensitivity: {patterns: [bad.yaml]}", "bad.yaml: badge: "),
        ("sensitivity: {scan: false, labels: {pii: block}}", ":8: sensitivity.labels: nothing is scanned"),
    ],
)
def test_bad_settings_are_refused_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, problem: str) -> None:
    (tmp_path / "bad.yaml").write_text(OWN_KINDS.replace("\\d{5}", "(\\d"), encoding="utf-8")
    text = f"""\
version: 1
keys:
- {{name: k, sha256: {"a" * 64}}}
targets:
  own: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}
workloads:
  w: {{targets: [own]}}
{lines}
"""
    (tmp_path / "freehold.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["check", "-c", str(tmp_path / "freehold.yaml")])
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err
