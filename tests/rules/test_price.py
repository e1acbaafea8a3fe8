import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import genai_prices
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.prices import PriceBook
from freehold.core.money import NANO, nanousd
from freehold.core.price import PriceCard, Rate, Rates
from freehold.core.usage import BUCKETS, Bucket, Usage
from freehold.rules.price import cost_nanousd

DAY = dt.date(2026, 11, 21)
BOOK = PriceBook()

tokens = st.integers(0, 3_000_000)
# Whole nano-dollars per token, so that sums of separately rounded costs are exact.
rates = st.integers(0, 100_000).map(lambda per_token: Rate(per_token * 1_000_000))


def card(**changes: object) -> PriceCard:
    fields: dict[str, object] = {"input": Rate(nanousd("2.5")), "output": Rate(nanousd("10")), **changes}
    return PriceCard(provider="p", model="m", valid_from="2026-01-01", source="test", **fields)  # type: ignore[arg-type]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    uncached, read, write = draw(tokens), draw(tokens), draw(tokens)
    return use(uncached, read, write, draw(tokens))


def use(uncached: int = 0, read: int = 0, write: int = 0, output: int = 0) -> Usage:
    return Usage(
        input_tokens=uncached + read + write, output_tokens=output, cache_read=read, cache_write=write, source="provider"
    )


RATES = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "cache_read_audio", "reasoning", "output_audio")
any_rate = st.builds(
    Rate, st.integers(0, 10**11), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**11)), max_size=2).map(tuple)
)
cards = st.fixed_dictionaries({name: st.none() | any_rate for name in RATES} | {"input": any_rate, "output": any_rate}).map(
    lambda fields: card(**fields)
)


@st.composite
def detailed(draw: st.DrawFn) -> Usage:
    """Any usage, with all its kinds of token told apart."""
    n = {bucket: draw(tokens) for bucket in BUCKETS}
    read, write = n["cache_read"] + n["cache_read_audio"], n["cache_write"] + n["cache_write_1h"]
    return Usage(
        input_tokens=n["input"] + n["input_audio"] + read + write, output_tokens=n["output"] + n["reasoning"] + n["output_audio"],
        cache_read=read, cache_write=write, reasoning=n["reasoning"], cache_write_1h=n["cache_write_1h"],
        input_audio=n["input_audio"], cache_read_audio=n["cache_read_audio"], output_audio=n["output_audio"], source="provider",
    )  # fmt: skip


@given(detailed(), cards)
def test_the_buckets_cost_the_whole_before_its_one_rounding(usage: Usage, priced: PriceCard) -> None:
    size = usage.input_tokens
    parts = [Fraction(count * priced.of(bucket).at(size), 1_000_000) for bucket, count in usage.buckets().items()]
    assert cost_nanousd(priced, usage) == round(sum(parts))


@given(detailed(), cards, st.sampled_from(BUCKETS))
def test_telling_a_kind_apart_changes_nothing_where_it_has_no_rate_of_its_own(
    usage: Usage, priced: PriceCard, kind: Bucket
) -> None:
    same = msgspec.structs.replace(priced, **dict.fromkeys(RATES, None))
    silent = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, source="provider")
    assert cost_nanousd(same, usage) == cost_nanousd(same, silent)
    if kind in RATES and getattr(priced, kind) is not None:
        assert priced.of(kind) == getattr(priced, kind)


@pytest.mark.parametrize("tier", [None, "", "auto", "default", "standard", "on_demand"])
def test_the_standard_service_costs_the_list_price(tier: str | None) -> None:
    flex = Rates(input=Rate(1), output=Rate(2))
    assert card(services=(("flex", flex),)).served(tier) == card()


def test_the_service_that_a_reply_names_is_billed_and_one_unknown_is_marked() -> None:
    flex = Rates(input=Rate(nanousd("1.25")), output=Rate(nanousd("5")))
    priced = card(services=(("flex", flex),), cache_read=Rate(nanousd("2")))
    served = priced.served("flex")
    assert (served.input, served.output, served.cache_read, served.service_tier) == (flex.input, flex.output, None, "flex")
    assert cost_nanousd(served, use(1_000_000, output=1_000_000)) == nanousd("6.25")
    assert (served.source, served.services) == ("test", ())
    unknown = priced.served("scale")
    assert (unknown.input, unknown.service_tier) == (priced.input, "scale")
    assert unknown.source == "test; no price of the service tier 'scale' is known, this is the standard one"


def test_seven_million_in_and_three_million_out_cost_47_50() -> None:
    gpt_4o = BOOK.find("openai", "gpt-4o", dt.date(2024, 11, 15))
    assert cost_nanousd(gpt_4o, use(7_000_000, output=3_000_000)) == nanousd("47.50")


@given(usages(), rates, rates, rates, rates)
def test_the_cost_is_the_sum_of_its_buckets(usage: Usage, uncached: Rate, read: Rate, write: Rate, output: Rate) -> None:
    priced = card(input=uncached, cache_read=read, cache_write=write, output=output)
    buckets = [
        use(usage.uncached),
        use(read=usage.cache_read or 0),
        use(write=usage.cache_write or 0),
        use(output=usage.output_tokens),
    ]
    assert cost_nanousd(priced, usage) == sum(cost_nanousd(priced, bucket) for bucket in buckets)


@given(usages(), st.integers(0, 500_000))
def test_more_tokens_never_cost_less(usage: Usage, more: int) -> None:
    tiered = card(input=Rate(nanousd("1.25"), ((200_000, nanousd("2.5")),)), cache_read=Rate(nanousd("0.1")))
    base = cost_nanousd(tiered, usage)
    read, write = usage.cache_read or 0, usage.cache_write or 0
    assert cost_nanousd(tiered, use(usage.uncached + more, read, write, usage.output_tokens)) >= base
    assert cost_nanousd(tiered, use(usage.uncached, read + more, write, usage.output_tokens)) >= base
    assert cost_nanousd(tiered, use(usage.uncached, read, write + more, usage.output_tokens)) >= base
    assert cost_nanousd(tiered, use(usage.uncached, read, write, usage.output_tokens + more)) >= base


@given(tokens, tokens, rates, rates)
def test_a_cached_token_costs_its_cache_rate_and_nothing_else(cached: int, fresh: int, full: Rate, cheap: Rate) -> None:
    priced = card(input=full, cache_read=cheap)
    saving = cached * (full.nanousd_per_mtok - cheap.nanousd_per_mtok) // 1_000_000
    assert cost_nanousd(priced, use(fresh + cached)) - cost_nanousd(priced, use(fresh, read=cached)) == saving


@given(usages())
def test_without_cache_rates_cached_input_costs_as_much_as_any_other(usage: Usage) -> None:
    assert cost_nanousd(card(), usage) == cost_nanousd(card(), use(usage.input_tokens, output=usage.output_tokens))


def test_unreported_details_cost_the_input_rate() -> None:
    bare = Usage(input_tokens=1_000_000, output_tokens=0, source="estimated")
    assert cost_nanousd(card(cache_read=Rate(1)), bare) == nanousd("2.5")


def test_a_tier_is_a_cliff_set_by_all_input_of_the_request() -> None:
    tiered = card(input=Rate(1_000_000, ((200_000, 2_000_000),)), output=Rate(10_000_000, ((200_000, 20_000_000),)))
    assert cost_nanousd(tiered, use(200_000, output=10)) == 200_000 + 100
    assert cost_nanousd(tiered, use(200_001, output=10)) == 400_002 + 200
    assert cost_nanousd(tiered, use(100_000, read=100_000, write=1, output=10)) == 400_002 + 200


@pytest.mark.parametrize(("size", "expected"), [(500_000, 0), (500_001, 1), (1_500_000, 2), (2_500_000, 2), (2_499_999, 2)])
def test_one_rounding_half_to_even(size: int, expected: int) -> None:
    assert cost_nanousd(card(input=Rate(1)), use(size)) == expected


@pytest.mark.parametrize("half", [Fraction(1, 2), Decimal("0.5")])
def test_a_multiplier_scales_tokens_but_not_the_fee_per_request(half: Fraction | Decimal) -> None:
    with_fee = card(nanousd_per_request=nanousd("0.012"))
    assert cost_nanousd(with_fee, use(1_000_000), multiplier=half) == nanousd("1.25") + nanousd("0.012")


@given(usages(), st.fractions(0, 2, max_denominator=1000))
def test_a_multiplier_is_applied_before_rounding(usage: Usage, share: Fraction) -> None:
    exact = Fraction(usage.input_tokens * nanousd("2.5") + usage.output_tokens * nanousd("10"), 1_000_000) * share
    assert cost_nanousd(card(), usage, multiplier=share) == round(exact)


def test_a_negative_multiplier_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        cost_nanousd(card(), use(1), multiplier=-1)


@given(
    usages(),
    st.sampled_from(
        [
            ("openai", "gpt-4o"),
            ("openai", "gpt-4.1-mini"),
            ("anthropic", "claude-sonnet-4-5"),
            ("google", "gemini-2.5-pro"),
            ("perplexity", "sonar"),
            ("mistral", "mistral-large-latest"),
        ]
    ),
)
def test_it_agrees_with_genai_prices_to_the_nano_dollar(usage: Usage, sold: tuple[str, str]) -> None:
    provider, model = sold
    theirs = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write,
            output_tokens=usage.output_tokens,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
    ).total_price
    expected = int((theirs * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))
    assert cost_nanousd(BOOK.find(provider, model, DAY), usage) == expected


def test_the_long_prompts_of_gemini_cost_their_tier_and_short_ones_do_not() -> None:
    gemini = BOOK.find("google", "gemini-2.5-pro", DAY)
    long, short = use(250_000, output=1000), use(50_000, output=200)
    assert cost_nanousd(gemini, long) == nanousd("0.625") + nanousd("0.015")
    assert 5 * cost_nanousd(gemini, short) == nanousd("0.3125") + nanousd("0.01")
