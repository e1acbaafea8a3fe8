"""Random requests for the search, with sensitive values planted where a scan must find them, and what each of them asks."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
from hypothesis import strategies as st
from search_dialects import DIALECTS, SHARES, UNMARKED
from search_worlds import CLASSES, COMPANIES, KEYS, LABELS, REGIONS, TARGETS, WORKLOADS

from freehold.core.request import Dialect

MOODS = (
    "fine", "fine", "fine", "fine", "fine", "refused", "limited", "broken", "rejected", "not_found", "html", "nested",
    "error_event", "no_finish", "cut_first", "cut_later", "called", "called", "slow", "stalled", "swapped", "swapped_broken",
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
    """One request, and what its maker knows of it. `junk`: a declaration nobody can read; `escaped`: with JSON's \\u; `anew`: a
    stream that breaks off may begin again; `rested`: no target is held for what came before."""

    dialect: Dialect
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
    beta: Mapping[str, str]
    anew: bool
    rested: bool

    def headers(self) -> Mapping[str, str]:
        """As they come in."""
        headers = {"authorization": f"Bearer {KEYS[self.key]}", **self.beta}
        if self.header_workload is not None:
            headers["x-freehold-workload"] = self.header_workload
        if self.declared is not None:
            headers["x-freehold-data"] = self.declared.text()
        if self.junk is not None:
            headers["x-freehold-data"] = self.junk
        if self.anew:
            headers["x-freehold-restart"] = "anew"
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


_KINDS = ("email", "ssn", "mrn", "card", "token")
_JUNK = ("", "secret", "public; regoin=eu", "public; label=unheard-of", "; restricted", "public; retention-days=-1", "public, eu")
_NAMES = (*WORKLOADS * 8, *TARGETS, "m", "vllm/m", "openai_compatible:n", "anthropic/m", "nothing")


def _left(body: dict[str, Any], planted: list[Planted]) -> tuple[Planted, ...]:
    """Without those that another one was put in place of."""
    text = json.dumps(body, ensure_ascii=False)
    return tuple(plant for plant in planted if plant.value in text)


def _request(random: Random) -> Sent:
    dialect = random.choice(SHARES)
    spoken = DIALECTS[dialect]
    planted: list[Planted] = []
    phrases: list[tuple[str, str]] = []
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        phrase, plant = _planted(random.choice(_KINDS), random.randrange(10**6))
        phrases.append((random.choice(spoken.places), phrase))
        planted.append(plant)
    last = " ".join(["Grüße 😀 <EMAIL_1>", *(phrase for place, phrase in phrases if place == "last")])
    body: dict[str, Any] = {"model": random.choice(_NAMES), **spoken.begin(f"{UNMARKED}{last}")}
    extra = random.choice(spoken.extras) if random.random() < 0.3 else None
    if extra is not None:
        body |= extra.fields
        body |= {spoken.items: [extra.item, *body[spoken.items]]} if extra.item else {}
    for place, phrase in phrases:
        if place != "last":
            spoken.put(body, place, phrase)
    if spoken.streams and random.random() < 0.5:
        body["stream"] = True
    if random.random() < 0.15:
        body["provider"] = _hints(random)
    header, by_workload = random.random(), body["model"] in WORKLOADS
    unknown = {"unknown_field"} if any(place == "unknown" for place, _ in phrases) else set()
    return Sent(
        dialect=dialect, body=body, key=random.randrange(len(KEYS)), planted=_left(body, planted),
        egress=frozenset(unknown | (extra.kinds if extra is not None else set())),
        header_workload=random.choice((*WORKLOADS * 3, "w9")) if random.random() < (0.03 if by_workload else 0.8) else None,
        declared=_declared(random) if header < 0.2 else None, junk=random.choice(_JUNK) if header > 0.95 else None,
        last_text=last, escaped=random.random() < 0.3, moods=tuple(random.choices(MOODS, k=4)),
        beta=extra.headers if extra is not None else {}, anew=random.random() < 0.3, rested=random.random() < 0.6,
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
        deny=random.choice((None, None, *COMPANIES, "anthropic")),
    )


# Any request at all. A draw for each choice would let a failure shrink further, at a third of the steps in the same time.
requests = st.builds(_request, st.randoms(use_true_random=True))
