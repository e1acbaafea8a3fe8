"""Random requests for the search, with sensitive values planted where a scan must find them, and what each of them asks."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st
from search_worlds import CLASSES, COMPANIES, KEYS, LABELS, REGIONS, TARGETS, WORKLOADS

MOODS = (
    "fine", "fine", "fine", "refused", "limited", "broken", "rejected", "not_found", "html", "nested", "error_event", "no_finish",
    "cut_first", "cut_later", "slow", "stalled", "swapped", "swapped_broken",
)  # fmt: skip


class Planted(msgspec.Struct, frozen=True):
    """A value, and what a scan must say of it."""

    value: str
    label: str
    data_class: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the header demands."""

    data_class: str
    regions: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    retention_days: int | None = None
    no_training: bool = False
    pinned: bool = False
    deny: str | None = None

    def text(self) -> str:
        """As the header says it."""
        parts = [self.data_class]
        parts += [f"region={','.join(self.regions)}"] if self.regions else []
        parts += [f"label={','.join(self.labels)}"] if self.labels else []
        parts += [f"retention-days={self.retention_days}"] if self.retention_days is not None else []
        parts += ["no-training"] if self.no_training else []
        parts += ["pinned"] if self.pinned else []
        parts += [f"not-provider={self.deny}"] if self.deny else []
        return "; ".join(parts)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and what its maker knows of it: `junk` is a declaration that nobody can read."""

    body: dict[str, Any]
    key: int
    header_workload: str | None
    declared: Declared | None
    junk: str | None
    planted: tuple[Planted, ...]
    egress: frozenset[str]
    last_text: str
    moods: tuple[str, ...]

    def headers(self) -> Mapping[str, str]:
        """As they come in."""
        headers = {"authorization": f"Bearer {KEYS[self.key]}"}
        if self.header_workload is not None:
            headers["x-freehold-workload"] = self.header_workload
        if self.declared is not None:
            headers["x-freehold-data"] = self.declared.text()
        if self.junk is not None:
            headers["x-freehold-data"] = self.junk
        return headers


# Else the word MRN would be context for other numbers near it, and they would count as what they are not.
_FAR = "It rained all day long and nobody minded that in the least."


def _luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - at % 2), 10)) for at, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def _planted(kind: str, number: int) -> tuple[str, Planted]:
    """A value of that kind and a phrase that holds it."""
    random = Random(number)
    digits = "".join(random.choices("123456789", k=11))
    if kind == "email":
        value = f"p{number}.roe@clinic-mail.org"
        return f"write to {value} today", Planted(value, "pii", "confidential")
    if kind == "ssn":
        value = f"5{digits[0]}6-2{digits[1]}-{digits[2:6]}"
        return f"his ssn is {value} he says", Planted(value, "pii", "confidential")
    if kind == "mrn":
        value = f"ZKX-{digits[:8]}"
        return f"{_FAR} MRN {value} was seen. {_FAR}", Planted(value, "phi", "restricted")
    if kind == "card":
        plain = _luhn("4539" + digits)
        value = random.choice((plain, " ".join(plain[at : at + 4] for at in range(0, 16, 4))))
        return f"charge {value} now", Planted(value, "pci", "restricted")
    value = "ghp_" + "".join(random.choices("abcdefghkmnpqrstuvwxyzABCDEFGH23456789", k=36))
    return f"log in with {value} please", Planted(value, "secret", "restricted")


def _put(body: dict[str, Any], place: str, phrase: str, value: str) -> None:
    """The phrase, or the value where it is no prose, into a place where text can stand."""
    messages: list[dict[str, Any]] = body["messages"]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": [phrase]})}}
    match place:
        case "last":
            messages[-1]["content"] += f" {phrase}"
        case "system":
            messages.insert(0, {"role": "system", "content": f"Be kind. {phrase}"})
        case "tool_result":
            messages.insert(0, {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"ok": {"text": phrase}})})
        case "arguments":
            messages.insert(0, {"role": "assistant", "content": None, "tool_calls": [call]})
        case "part":
            messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": phrase}]})
        case "reasoning":
            messages.insert(0, {"role": "assistant", "content": "ok", "reasoning_content": phrase})
        case "user" | "safety_identifier" | "prompt_cache_key":
            body[place] = phrase
        case "metadata":
            body.setdefault("metadata", {})["about"] = phrase
        case "metadata_key":
            body.setdefault("metadata", {})[phrase] = "yes"
        case "prediction":
            body["prediction"] = {"type": "content", "content": phrase}
        case "schema":
            schema = {"type": "object", "properties": {"a": {"type": "string", "enum": [phrase, value]}}}
            function = {"name": "f", "description": phrase, "parameters": schema}
            body["tools"] = [*body.get("tools", []), {"type": "function", "function": function}]
        case "unknown":
            body["x_note"] = {"deep": [{"er": phrase}]}


_PLACES = (
    "last", "last", "system", "tool_result", "arguments", "part", "reasoning", "user", "safety_identifier", "prompt_cache_key",
    "metadata", "metadata_key", "prediction", "schema", "unknown",
)  # fmt: skip
_PLANTS = st.lists(
    st.tuples(st.sampled_from(("email", "ssn", "mrn", "card", "token")), st.sampled_from(_PLACES), st.integers(0, 10**6)),
    max_size=3,
)
_DECLARED = st.builds(
    Declared,
    data_class=st.sampled_from(CLASSES),
    regions=st.sampled_from(((), (), ("eu",), REGIONS[:2])),
    labels=st.sampled_from(((), (), *((label,) for label in LABELS))),
    retention_days=st.sampled_from((None, None, 0, 30)),
    no_training=st.booleans(),
    pinned=st.booleans(),
    deny=st.sampled_from((None, None, *COMPANIES)),
)
_HINTS = st.fixed_dictionaries(
    {},
    optional={
        "order": st.lists(st.sampled_from((*TARGETS, "vllm")), max_size=3),
        "only": st.lists(st.sampled_from((*TARGETS, "vllm")), max_size=3),
        "ignore": st.lists(st.sampled_from(TARGETS), max_size=2),
        "allow_fallbacks": st.booleans(),
        "data_collection": st.sampled_from(("allow", "deny")),
        "zdr": st.booleans(),
    },
)
_EXTRA: Mapping[str, dict[str, Any]] = {
    "store": {"store": True}, "chain": {"previous_response_id": "resp_1"}, "server_tools": {"tools": [{"type": "web_search"}]},
    "unknown_field": {"x_other": {"a": 1}},
}  # fmt: skip
_NAMES = (*WORKLOADS, *WORKLOADS, *WORKLOADS, *TARGETS, "m", "vllm/m", "openai_compatible:n", "nothing")
_FILE = {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """Any request at all."""
    body: dict[str, Any] = {
        "model": draw(st.sampled_from(_NAMES)),
        "messages": [{"role": "user", "content": "Grüße 😀 <EMAIL_1>"}],
    }
    planted = []
    egress = set()
    extra = draw(st.sampled_from((None, None, None, None, "files", *_EXTRA)))
    if extra is not None:
        egress.add(extra)
        body |= _EXTRA.get(extra, {})
        body["messages"] = [_FILE, *body["messages"]] if extra == "files" else body["messages"]
    for kind, place, number in draw(_PLANTS):
        phrase, plant = _planted(kind, number)
        _put(body, place, phrase, plant.value)
        planted.append(plant)
        egress |= {"unknown_field"} if place == "unknown" else set()
    if draw(st.booleans()):
        body["stream"] = True
    if draw(st.integers(0, 3)) == 0:
        body["provider"] = draw(_HINTS)
    how = draw(st.integers(0, 9))
    return Sent(
        body=body, key=draw(st.integers(0, len(KEYS) - 1)), planted=tuple(planted), egress=frozenset(egress),
        header_workload=draw(st.sampled_from((None, None, None, *WORKLOADS, "w9"))),
        declared=draw(_DECLARED) if how < 3 else None, junk=draw(st.text(max_size=8)) + "?" if how == 9 else None,
        last_text=body["messages"][-1]["content"], moods=tuple(draw(st.lists(st.sampled_from(MOODS), min_size=1, max_size=4))),
    )  # fmt: skip
