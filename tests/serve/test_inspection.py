"""Asking for second opinions on a request: in time, about texts that are not too long, and of those who may see them."""

import asyncio
import json
from collections.abc import Collection
from typing import Any

import msgspec
import pytest

from freehold.core.data import DataClass, Handling
from freehold.core.errors import ContentBlocked
from freehold.core.request import Ask, Request
from freehold.core.target import Target
from freehold.rules.sensitivity.actions import Actions
from freehold.rules.sensitivity.kinds import Label, shipped_kinds
from freehold.rules.sensitivity.opinion import Mandate, NoOpinion
from freehold.rules.sensitivity.scanner import Scanner
from freehold.serve.gateway.inspection import Inspection, Inspector, inspect

SCANNER = Scanner(shipped_kinds())
LABELS: dict[Label, DataClass] = {"pii": DataClass.confidential, "phi": DataClass.restricted}
TARGET = Target(
    name="judge", kind="owned", codec="vllm", url="http://127.0.0.1:1", model="m", clearance=DataClass.restricted,
    regions=frozenset({"eu"}),
)  # fmt: skip


class Reader:
    """Says pii of a text with a certain name, after a while; and keeps the texts it was shown."""

    def __init__(self, wait_s: float = 0.0, **mandate: Any) -> None:
        self.mandate = Mandate(name="reader", labels=LABELS, **mandate)
        self.shown: list[str] = []
        self._wait_s = wait_s

    async def labels(self, text: str) -> Collection[Label]:
        self.shown.append(text)
        await asyncio.sleep(self._wait_s)
        if "unreadable" in text:
            raise NoOpinion("it cannot be read")
        return {"pii"} if "Ada Byron" in text else set()


def request(*said: str) -> Request:
    messages = [{"role": "user", "content": text} for text in said]
    return Request(dialect="openai_chat", model="w", fields={"messages": msgspec.Raw(json.dumps(messages).encode())})


async def seen(reader: Reader, *said: str, actions: str = "raise") -> Inspection:
    inspector = Inspector(SCANNER, Actions.read({"pii": actions}), opinions=(reader,))
    return await inspect(request(*said), inspector)


async def test_it_reads_every_part_and_adds_to_what_the_scan_found() -> None:
    reader = Reader()
    content = await seen(reader, "Ada Byron wrote it", "mail jo@x.com")
    assert "Ada Byron wrote it" in reader.shown[0]
    assert "jo@x.com" in reader.shown[0]
    assert content.evidence() == {"email": 1, "reader pii": 1}
    party = content.party("w")
    assert party is not None
    assert party.handling == Handling(DataClass.confidential, labels=frozenset({"pii"}))
    assert (await seen(Reader(), "nobody here")).party("w") is None


async def test_what_it_finds_has_no_place_so_redaction_is_not_enough() -> None:
    by_scan = await seen(Reader(), "mail jo@x.com", actions="redact")
    assert by_scan.party("w") is None
    assert by_scan.shield("w") is not None
    by_reader = await seen(Reader(), "Ada Byron, jo@x.com", actions="redact")
    party = by_reader.party("w")
    assert party is not None
    assert party.handling.data_class is DataClass.confidential
    assert by_reader.shield("w") is not None


@pytest.mark.parametrize(
    ("reader", "said"),
    [(Reader(wait_s=5.0, deadline_s=0.02), "hello"), (Reader(longest=10), "x" * 20), (Reader(), "unreadable")],
    ids=["late", "too long", "no opinion"],
)
async def test_without_an_answer_the_request_is_raised_as_high_as_one_could_have(reader: Reader, said: str) -> None:
    content = await seen(reader, said)
    party = content.party("w")
    assert party is not None
    assert party.handling == Handling(DataClass.restricted, labels=frozenset({"pii", "phi"}))
    assert content.evidence() == {"reader failed": 1}
    content.refuse_blocked("w")


async def test_without_an_answer_it_may_be_blocked_or_pass() -> None:
    blocked = await seen(Reader(on_failure="block"), "unreadable")
    with pytest.raises(ContentBlocked, match="without the second opinion of reader nothing may be sent"):
        blocked.refuse_blocked("w")
    ignored = await seen(Reader(on_failure="ignore"), "unreadable")
    assert ignored.party("w") is None
    ignored.refuse_blocked("w")
    assert ignored.evidence() == {"reader failed": 1}


@pytest.mark.parametrize(("region", "asked"), [("eu", True), ("us", False)])
async def test_a_target_that_may_not_see_the_text_is_not_asked(region: str, asked: bool) -> None:
    reader = Reader(seen_by=TARGET)
    inspector = Inspector(SCANNER, Actions({}), opinions=(reader,))
    ask = Ask(workload="w", handling=Handling(regions=frozenset({region})), within=frozenset())
    content = await inspect(request("hello"), inspector, lambda _: ask)
    assert bool(reader.shown) is asked
    assert content.evidence() == ({} if asked else {"reader failed": 1})
    assert (content.party("w") is None) is asked
