"""What an attempt bills, at the price of the service that answered; and the price beside the bill, which is part of no cost and
can fail no request."""

import base64
import struct
from collections.abc import Callable
from datetime import date

import msgspec
import pytest
from ledger_entries import CARD, USAGE, entry, owned_entry

from freehold.catalog.prices import UnknownPrice
from freehold.core.data import DataClass
from freehold.core.entry import Attempt
from freehold.core.price import PriceCard, Rate, Rates
from freehold.core.request import Request
from freehold.core.target import Target, Workload
from freehold.core.usage import Usage, estimate_tokens
from freehold.rules.price import cost_nanousd
from freehold.serve.access.keys import Keyring
from freehold.serve.gateway.billing import Passed, bill, compare
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.wire.media_tokens import FLOOR_TOKENS
from freehold.wire.openai_chat import ChatSurface


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return "data:image/png;base64," + base64.b64encode(head + b"\0" * 100_000).decode()


TODAY = date(2026, 11, 21)
DEAR = msgspec.structs.replace(CARD, output=Rate(90_000_000_000))


def priced(cards: dict[str, PriceCard]) -> Callable[[Target, date], PriceCard | None]:
    def price(target: Target, day: date) -> PriceCard | None:
        assert day == TODAY
        if target.kind == "owned":
            return None
        if target.name not in cards:
            raise UnknownPrice(f"no price for {target.name}")
        return cards[target.name]

    return price


def policy(*targets: str, **cards: PriceCard) -> Policy:
    known = {
        name: Target(
            name=name, kind="owned" if name == "box" else "rented", codec="x", url="http://x", model="m",
            clearance=DataClass.public,
        )
        for name in targets
    }  # fmt: skip
    return Policy(
        version="v", targets=known, workloads={"triage": Workload(name="triage", targets=targets)}, codecs={}, engines={},
        keys=Keyring([]), bounds=Bounds(), price=priced(cards),
    )  # fmt: skip


def test_an_owned_answer_is_compared_with_the_first_rented_target() -> None:
    one = owned_entry("fh-1", 1.0, 1.0, data_class="restricted")
    compare(one, policy("box", "api", "dear", api=CARD, dear=DEAR), TODAY)
    assert (one.shadow_at, one.shadow_nanousd) == ("api", cost_nanousd(CARD, USAGE)), "though it may not see restricted data"
    assert (one.cost_nanousd, one.attempts[0].cost_nanousd) == (0, 0)


def test_a_rented_answer_is_compared_with_another_rented_target() -> None:
    one = entry("fh-1")
    compare(one, policy("box", "api", "dear", api=CARD, dear=DEAR), TODAY)
    assert (one.shadow_at, one.shadow_nanousd, one.cost_nanousd) == ("dear", cost_nanousd(DEAR, USAGE), 450_000)


@pytest.mark.parametrize("targets", [("box", "api"), ("api",), ("api", "unpriced")])
def test_without_another_priced_target_there_is_nothing_to_compare(targets: tuple[str, ...]) -> None:
    one = entry("fh-1")
    compare(one, policy(*targets, api=CARD), TODAY)
    assert (one.shadow_at, one.shadow_nanousd) == (None, None)


def test_what_has_no_usage_or_no_workload_is_not_compared() -> None:
    for one in (owned_entry("fh-1", 1.0, 1.0, usage=None), owned_entry("fh-1", 1.0, 1.0, workload="gone")):
        compare(one, policy("box", "api", api=CARD), TODAY)
        assert one.shadow_nanousd is None


def test_usage_beyond_all_reason_costs_the_comparison_and_not_the_entry() -> None:
    one = owned_entry("fh-1", 1.0, 1.0, usage=Usage(input_tokens=2**62, output_tokens=0, source="engine"))
    compare(one, policy("box", "api", api=CARD), TODAY)
    assert one.shadow_nanousd is None, "the sum would not fit into the ledger, and the request would fail for it"


def tried(**fields: object) -> Attempt:
    usual: dict[str, object] = {
        "target": "api", "model": "gpt-4o", "kind": "rented", "reason": "", "started_s": 0.0, "status": 200, "price": CARD,
    }  # fmt: skip
    return Attempt(**usual | fields)  # type: ignore[arg-type]


def chat(body: object) -> Request:
    return ChatSurface().read(msgspec.json.encode(body), {})


FLEX = Rates(input=Rate(1_250_000_000), output=Rate(5_000_000_000))
WITH_FLEX = msgspec.structs.replace(CARD, services=(("flex", FLEX),))


@pytest.mark.parametrize(
    ("tier", "kept", "halves"), [(None, None, 2), ("default", "default", 2), ("flex", "flex", 1), ("scale", "scale", 2)]
)
def test_the_service_that_the_reply_names_is_billed(tier: str | None, kept: str | None, halves: int) -> None:
    attempt = tried(usage=Usage(input_tokens=1000, output_tokens=100, source="provider"), service_tier=tier, price=WITH_FLEX)
    bill(attempt, Passed(0, 0, 0))
    assert attempt.cost_nanousd == halves * (1000 * 1250 + 100 * 5000)
    assert attempt.service_tier == kept
    assert attempt.price is not None
    assert attempt.price.services == ()
    assert ("no price of the service tier" in attempt.price.source) == (tier == "scale")


def test_what_is_no_name_of_a_service_is_not_repeated() -> None:
    attempt = tried(usage=USAGE, service_tier="Dear Sir, my number is 4711")
    bill(attempt, Passed(0, 0, 0))
    assert attempt.service_tier == "unreadable"
    assert attempt.price is not None
    assert "Dear" not in attempt.price.source


def test_an_image_that_nobody_counted_is_no_text() -> None:
    data = png(1024, 1024)
    request = chat({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": data}}]}]})  # fmt: skip
    attempt = tried()
    bill(attempt, Passed(request.input_bytes, 40, 3, request, "openai"))
    assert attempt.usage is not None
    text = estimate_tokens(request.input_bytes - len(data))
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (765 + text, 10)
    assert (attempt.usage.source, attempt.detail) == ("estimated", "")
    marked = tried(detail="cut")
    bill(marked, Passed(request.input_bytes, 40, 3, request, "together"))
    assert marked.usage is not None
    assert marked.usage.input_tokens == FLOOR_TOKENS + text
    assert marked.detail == "cut; 1 media of unknown size count with a floor"


def test_a_count_of_tokens_is_free_even_where_no_usage_comes() -> None:
    attempt = tried()
    bill(attempt, Passed(0, 0, 0, chat({"model": "m", "messages": [{"role": "user", "content": "hello"}]}), "anthropic"))
    assert (attempt.usage, attempt.cost_nanousd) == (Usage(input_tokens=0, output_tokens=0, source="estimated"), 0)


def test_an_answer_costs_what_its_kinds_of_token_cost() -> None:
    card = msgspec.structs.replace(CARD, cache_write=Rate(3_125_000_000), cache_write_1h=Rate(5_000_000_000))
    used = Usage(input_tokens=100, output_tokens=0, cache_write=100, cache_write_1h=40, source="provider")
    attempt = tried(usage=used, price=card)
    bill(attempt, Passed(0, 0, 0))
    assert attempt.cost_nanousd == 60 * 3125 + 40 * 5000


def test_an_answer_under_any_good_status_bills() -> None:
    """Replicate answers a prediction that it has finished with 201."""
    for status in (200, 201, 202):
        tried = Attempt(
            target="t", model="m", kind="rented", reason="", started_s=0.0, outcome="finished", status=status, price=CARD
        )
        bill(tried, Passed(400, 40, 3))
        assert tried.usage is not None
        assert tried.cost_nanousd == cost_nanousd(CARD, tried.usage) > 0
