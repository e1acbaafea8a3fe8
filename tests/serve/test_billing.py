"""The price beside the bill: where it is looked up, that it is part of no cost, and that it can fail no request."""

from collections.abc import Callable
from datetime import date

import msgspec
import pytest
from ledger_entries import CARD, USAGE, entry, owned_entry

from freehold.catalog.prices import UnknownPrice
from freehold.core.data import DataClass
from freehold.core.price import PriceCard, Rate
from freehold.core.target import Target, Workload
from freehold.core.usage import Usage
from freehold.rules.price import cost_nanousd
from freehold.serve.access.keys import Keyring
from freehold.serve.gateway.billing import compare
from freehold.serve.gateway.policy import Bounds, Policy

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
