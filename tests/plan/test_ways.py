"""The ways of owning that are compared: as asked, cheaper elsewhere, as a dedicated deployment, as own metal."""

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from freehold.catalog.facts import GpuOffer, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.candidate import OwnedCandidate
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Traffic
from freehold.plan.owning.capacity import Rates
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import CAPEX_USD, Kind
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.ways import DEDICATED, Ground, ways_of_owning

FACTS = load_facts()


def traffic(*, cached: float = 0.0, sensitive: bool = False, long: bool = False) -> Traffic:
    inputs = np.full(10, 200_000 if long else 1_000, dtype=np.int64)
    return Traffic(
        time_s=60.0 * np.arange(10, dtype=np.float64), input_tokens=inputs, cache_read=(inputs * cached).astype(np.int64),
        output_tokens=np.full(10, 100, dtype=np.int64), sensitive=np.full(10, sensitive), span_s=600.0,
    )  # fmt: skip


def ways(
    choice: Choice, terms: PlanTerms | None = None, seen: Traffic | None = None, *, bucketed: bool = False
) -> list[OwnedCandidate]:
    ground = Ground(FACTS, choice, terms or PlanTerms(), seen or traffic(), "catalog", bucketed)
    return list(ways_of_owning(ground))


def kinds(found: list[OwnedCandidate]) -> list[Kind]:
    return [way.owned.machine.kind for way in found]


def on_demand(offers: list[GpuOffer]) -> list[Decimal]:
    return [offer.on_demand_usd_h for offer in offers if offer.on_demand_usd_h is not None and offer.gpu_count == 1]


def test_what_was_asked_for_comes_first_then_the_cheapest_that_promises_something_and_a_deployment() -> None:
    asked, elsewhere, dedicated = ways(Choice())
    assert kinds([asked, elsewhere, dedicated]) == ["own cloud", "own cloud", "dedicated deployment"]
    assert (asked.owned.machine.provider, asked.owned.machine.instance) == ("aws", "g6e.xlarge")
    assert asked.label == "Llama-3.1-8B fp8 on 1x L40S (aws g6e.xlarge)"
    assert dedicated.label.startswith("Llama-3.1-8B fp8 on 1x L40S (dedicated deployment, modal")
    assert dedicated.owned.machine.provider in DEDICATED
    others = [offer for offer in FACTS.offers("L40S") if offer.provider not in {"aws", "vast.ai", *DEDICATED}]
    promised = [offer for offer in others if not {"community", "marketplace"} & set(offer.tier.lower().split())]
    assert elsewhere.owned.machine.price_nanousd_h <= min(on_demand(promised)) * 10**9
    assert elsewhere.owned.machine.provider != "aws"


def test_a_marketplace_is_taken_only_where_it_is_asked_for() -> None:
    for gpu in ("L40S", "H100-SXM", "A100-80GB-SXM"):
        _, *others = ways(Choice(gpu=gpu))
        for way in others:
            assert way.owned.machine.provider != "vast.ai"
            assert not any(word in way.owned.machine.tier.lower() for word in ("community", "marketplace"))
    assert ways(Choice(provider="vast.ai"))[0].owned.machine.provider == "vast.ai"


def test_a_stated_price_is_not_compared_with_machines_elsewhere() -> None:
    found = ways(Choice(usd_per_hour=Decimal("0.50"), chosen=frozenset({"usd_per_hour"})))
    assert kinds(found) == ["own cloud", "dedicated deployment"]
    assert (found[0].owned.machine.provider, found[0].owned.machine.price_nanousd_h) == ("own", 500_000_000)
    named = ways(Choice(usd_per_hour=Decimal("0.50"), provider="our-cellar", chosen=frozenset({"provider"})))
    assert named[0].owned.machine.provider == "our-cellar"


def test_a_stated_deployment_takes_the_place_of_the_listed_one() -> None:
    (dedicated,) = [way for way in ways(Choice(dedicated_usd_h=Decimal("9"))) if way.owned.machine.kind == "dedicated deployment"]
    assert (dedicated.owned.machine.price_nanousd_h, dedicated.owned.machine.source) == (9 * 10**9, "user")
    asked = ways(Choice())[0]
    assert dedicated.owned.people_nanousd_month == round(asked.owned.people_nanousd_month / 4)
    assert (asked.owned.storage_nanousd_month > 0, dedicated.owned.storage_nanousd_month) == (True, 0)


def test_metal_is_a_way_where_somebody_says_what_it_costs() -> None:
    assert "own metal" not in kinds(ways(Choice()))
    known = next(gpu for gpu in CAPEX_USD if FACTS.offers(gpu))
    metal = ways(Choice(gpu=known, provider=FACTS.offers(known)[0].provider, model="Llama-3.1-8B"))[-1]
    assert (metal.owned.machine.kind, metal.owned.machine.source) == ("own metal", "default")
    stated = ways(Choice(capex_usd=12_000))[-1]
    assert (stated.owned.machine.kind, stated.owned.machine.source, stated.elastic) == ("own metal", "user", None)
    widths = [way.ranges["gpu_price"] for way in (stated, ways(Choice(usd_per_hour=Decimal(1)))[0])]
    assert widths[0].high / widths[0].low > widths[1].high / widths[1].low


def test_every_way_is_as_fast_and_knows_as_much_of_it() -> None:
    found = ways(Choice(capex_usd=12_000), PlanTerms(token_ratio=1.1), traffic(cached=0.4))
    paces = [way.pace for way in found]
    assert all(pace == paces[0] for pace in paces)
    assert isinstance(paces[0], Rates)
    assert paces[0].prefix_reuse == pytest.approx(0.4)
    assert paces[0].token_ratio == 1.1
    stated = ways(Choice(), PlanTerms(prefix_reuse=0.1), traffic(cached=0.4))[0].pace
    assert isinstance(stated, Rates)
    assert stated.prefix_reuse == 0.1
    sure, unsure = (ways(Choice(prefill_tok_s=p, decode_tok_s=d))[0] for p, d in ((1_000.0, 100.0), (None, None)))
    assert sure.ranges["decode_speed"].high < unsure.ranges["decode_speed"].high
    assert ways(Choice(), bucketed=True)[0].ranges["max_utilisation"].low < unsure.ranges["max_utilisation"].low


def test_only_machines_that_can_be_stopped_follow_the_hour_under_the_terms() -> None:
    terms = PlanTerms(fleet=FleetTerms(restart_minutes=7, min_replicas=2, max_replicas=9, scale_to_zero=False))
    asked, *_, dedicated = ways(Choice(), terms)
    assert asked.elastic is not None
    assert dedicated.elastic is not None
    assert (asked.elastic.start_delay_s, asked.elastic.least_run_s, dedicated.elastic.least_run_s) == (420.0, 60.0, 1.0)
    assert (asked.elastic.min_replicas, asked.elastic.max_replicas, asked.elastic.scale_to_zero) == (2, 9, False)
    assert ways(Choice(hire_plan="reserved_1y"))[0].elastic is None


def test_sensitive_work_stands_with_a_spare_whichever_way() -> None:
    assert {way.owned.spare_machines for way in ways(Choice(), seen=traffic(sensitive=True))} == {1}
    assert {way.owned.spare_machines for way in ways(Choice())} == {0}


def test_what_makes_the_answer_weaker_is_said() -> None:
    (too_long,) = ways(Choice(gpu="H100-SXM", gpu_count=2), seen=traffic(long=True))[0].warnings
    assert too_long.startswith("100% of requests exceed its context of ")
    joined = ways(Choice(gpu_count=2))[0].warnings
    assert any("has no direct GPU link" in text for text in joined)
    assert ways(Choice(gpu_count=2, prefill_tok_s=1_000.0, decode_tok_s=100.0))[0].warnings == ()


def test_every_figure_of_a_way_says_where_it_is_from() -> None:
    choice = Choice(chosen=frozenset({"model", "gpu"}))
    rows = {row.name: row for row in ways(choice)[0].assumptions}
    assert (rows["owned model"].source, rows["GPUs per replica"].source) == ("user", "user")
    assert (rows["machine price"].value, rows["machine price"].source, rows["machine price"].date) == (
        "1.861",
        "catalog",
        "2026-07-20",
    )
    assert all(row.origin for row in rows.values())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"provider": "gcp"}, "gcp lists no L40S; listed at: "),
        ({"hire_plan": "spot"}, "no spot price is listed"),
        ({"hire_plan": "often"}, "names no plan 'often'"),
        ({"gpu": "B9000"}, "unknown GPU 'B9000'"),
        ({"model": "Llama-3.1-405B"}, "needs 406 GB for its weights"),
        ({"prefill_tok_s": 100.0}, "needs both"),
        ({"gpu_count": 0}, "gpu-count is 0"),
        ({"usd_per_hour": Decimal(-1)}, "usd-per-hour is -1"),
        ({"dedicated_usd_h": Decimal(-1)}, "dedicated-usd-h is -1"),
        ({"capex_usd": -1.0}, "capex-usd is -1"),
    ],
)
def test_what_cannot_be_owned_gets_one_line(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        ways(msgspec.structs.replace(Choice(), **changed))
    assert "\n" not in caught.value.message
