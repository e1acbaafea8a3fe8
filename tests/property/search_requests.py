"""Random requests for the search, with sensitive values planted where a scan must find them, and what each of them asks."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st
from search_worlds import CLASSES, COMPANIES, KEYS, LABELS, REGIONS, TARGETS, WORKLOADS

MOODS = (
    "fine", "fine", "fine", "fine", "fine", "refused", "limited", "broken", "rejected", "not_found", "html", "nested",
    "error_event", "no_finish", "cut_first", "cut_later", "slow", "stalled", "swapped", "swapped_broken",
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
    """One request, and what its maker knows of it. `junk`: a declaration nobody can read; `escaped`: with JSON's \\u."""

    body: dict[str, Any]
    key: int
    header_workload: str | None
    declared: Declared | None
    junk: str | None
    planted: tuple[Planted, ...]
    egress: frozenset[str]
    last_text: str
    escaped: bool
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


def _put(body: dict[str, Any], place: str, phrase: str) -> None:
    """The phrase into a place where text can stand."""
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
            schema = {"type": "object", "properties": {"a": {"type": "string", "enum": [phrase]}}}
            function = {"name": "f", "description": phrase, "parameters": schema}
            body["tools"] = [*body.get("tools", []), {"type": "function", "function": function}]
        case "unknown":
            body["x_note"] = {"deep": [{"er": phrase}]}


_PLACES = (
    "last", "last", "system", "tool_result", "arguments", "part", "reasoning", "user", "safety_identifier", "prompt_cache_key",
    "metadata", "metadata_key", "prediction", "schema", "unknown",
)  # fmt: skip
_KINDS = ("email", "ssn", "mrn", "card", "token")
_EXTRA: Mapping[str, dict[str, Any]] = {
    "store": {"store": True}, "chain": {"previous_response_id": "resp_1"}, "server_tools": {"tools": [{"type": "web_search"}]},
    "unknown_field": {"x_other": {"a": 1}},
}  # fmt: skip
_JUNK = ("", "secret", "public; regoin=eu", "public; label=unheard-of", "; restricted", "public; retention-days=-1", "public, eu")
_NAMES = (*WORKLOADS * 8, *TARGETS, "m", "vllm/m", "openai_compatible:n", "nothing")
_FILE = {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}


def _left(body: dict[str, Any], planted: list[Planted]) -> tuple[Planted, ...]:
    """Without those that another one was put in place of."""
    text = json.dumps(body, ensure_ascii=False)
    return tuple(plant for plant in planted if plant.value in text)


def _request(random: Random) -> Sent:
    body: dict[str, Any] = {"model": random.choice(_NAMES), "messages": [{"role": "user", "content": "Grüße 😀 <EMAIL_1>"}]}
    planted = []
    egress = set()
    extra = random.choice((None,) * 10 + ("files", *_EXTRA))
    if extra is not None:
        egress.add(extra)
        body |= _EXTRA.get(extra, {})
        body["messages"] = [_FILE, *body["messages"]] if extra == "files" else body["messages"]
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        place = random.choice(_PLACES)
        phrase, plant = _planted(random.choice(_KINDS), random.randrange(10**6))
        _put(body, place, phrase)
        planted.append(plant)
        egress |= {"unknown_field"} if place == "unknown" else set()
    if random.random() < 0.5:
        body["stream"] = True
    if random.random() < 0.15:
        body["provider"] = _hints(random)
    header, by_workload = random.random(), body["model"] in WORKLOADS
    return Sent(
        body=body, key=random.randrange(len(KEYS)), planted=_left(body, planted), egress=frozenset(egress),
        header_workload=random.choice((*WORKLOADS * 3, "w9")) if random.random() < (0.03 if by_workload else 0.8) else None,
        declared=_declared(random) if header < 0.2 else None, junk=random.choice(_JUNK) if header > 0.95 else None,
        last_text=body["messages"][-1]["content"], escaped=random.random() < 0.3, moods=tuple(random.choices(MOODS, k=4)),
    )  # fmt: skip


def _hints(random: Random) -> dict[str, Any]:
    every = {
        "order": random.sample((*TARGETS, "vllm"), 2), "only": random.sample((*TARGETS, "vllm"), 3),
        "ignore": random.sample(TARGETS, 1), "allow_fallbacks": random.random() < 0.5,
        "data_collection": random.choice(("allow", "deny")), "zdr": random.random() < 0.5,
    }  # fmt: skip
    return {name: every[name] for name in random.sample(sorted(every), 2)}


def _declared(random: Random) -> Declared:
    return Declared(
        data_class=random.choice(CLASSES),
        regions=random.choice(((), (), ("eu",), REGIONS[:2])),
        labels=random.choice(((), (), *((label,) for label in LABELS))),
        retention_days=random.choice((None, None, 0, 30)),
        no_training=random.random() < 0.2,
        pinned=random.random() < 0.2,
        deny=random.choice((None, None, *COMPANIES)),
    )


# Any request at all. A draw for each choice would let a failure shrink further, at a third of the steps in the same time.
requests = st.builds(_request, st.randoms(use_true_random=True))
