import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import metadata

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, Provider, TieredPrices, TimeOfDateConstraint

from freehold.catalog.overlay import load_overlay
from freehold.catalog.prices import PriceBook, UnknownPrice
from freehold.core.money import NANO, nanousd
from freehold.core.price import Rate
from freehold.core.usage import Usage
from freehold.rules.price import cost_nanousd

DAY = dt.date(2026, 11, 21)
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


def test_a_library_price_is_exact_tiered_and_sourced(book: PriceBook) -> None:
    card = book.find("google", "gemini-2.5-pro", DAY)
    assert card.input == Rate(nanousd("1.25"), ((200_000, nanousd("2.5")),))
    assert card.output == Rate(nanousd("10"), ((200_000, nanousd("15")),))
    assert card.cache_read == Rate(nanousd("0.125"), ((200_000, nanousd("0.25")),))
    assert card.cache_write is None
    assert card.source.startswith(f"genai-prices {metadata.version('genai-prices')}, https://ai.google.dev/")


def test_a_fee_per_request_is_carried(book: PriceBook) -> None:
    assert book.find("perplexity", "sonar", DAY).nanousd_per_request == nanousd("0.012")


@pytest.mark.parametrize(
    ("alias", "filed"), [("xai", "x-ai"), ("OpenAI", "openai"), (" gemini ", "google"), ("dashscope", "alibaba")]
)
def test_common_names_of_sellers_are_understood(book: PriceBook, alias: str, filed: str) -> None:
    model = {"x-ai": "grok-4", "openai": "gpt-4o", "google": "gemini-2.5-pro", "alibaba": "qwen-plus"}[filed]
    assert book.find(alias, model, DAY).provider == filed


def test_every_alias_leads_to_a_seller_with_prices(book: PriceBook) -> None:
    assert set(load_overlay().aliases.values()) | set(load_overlay().queues) <= set(book.known_providers())


def test_a_dated_model_name_keeps_its_name_and_says_whose_price_it_has(book: PriceBook) -> None:
    card = book.find("openai", "gpt-4o-2024-11-20", DAY)
    assert card.model == "gpt-4o-2024-11-20"
    assert card.source.endswith("listed as gpt-4o")


def test_a_price_change_takes_effect_on_its_day(book: PriceBook) -> None:
    before, after = (book.find("openai", "o3", dt.date(2025, 6, day)) for day in (9, 10))
    assert (before.input.nanousd_per_mtok, after.input.nanousd_per_mtok) == (nanousd("10"), nanousd("2"))
    assert before.valid_from == "2025-06-09"
    assert after.valid_from == "2025-06-10"


def test_an_undated_price_is_valid_from_the_day_the_library_was_read(book: PriceBook) -> None:
    read_on = load_overlay().library.read_on
    assert book.find("openai", "gpt-4.1", read_on + dt.timedelta(days=30)).valid_from == read_on.isoformat()
    assert book.find("openai", "gpt-4.1", dt.date(2025, 8, 1)).valid_from == "2025-08-01"


def test_a_price_by_the_hour_is_the_dearest_and_says_so(book: PriceBook) -> None:
    card = book.find("deepseek", "deepseek-v4-pro", DAY)
    assert card.input == Rate(nanousd("1.32"))
    assert card.output == Rate(nanousd("3.96"))
    assert "dearest hour" in card.source


def test_output_at_a_price_of_its_own_is_applied_or_mentioned(book: PriceBook) -> None:
    deep = book.find("perplexity", "sonar-deep-research", DAY)
    assert deep.reasoning == Rate(nanousd("3"))
    assert "citations at a price of their own, not applied" in deep.source
    assert "thinking mode bills output at $4" in book.find("alibaba", "qwen-plus-2025-04-28", DAY).source


def test_a_frozen_price_holds_in_its_window_only(book: PriceBook) -> None:
    assert "frozen" in book.find("openai", "gpt-4o", dt.date(2024, 11, 1)).source
    assert "frozen" in book.find("openai", "gpt-4o", dt.date(2024, 11, 30)).source
    assert "genai-prices" in book.find("openai", "gpt-4o", dt.date(2024, 12, 1)).source
    assert "frozen" not in book.find("openai", "gpt-4o", dt.date(2024, 12, 1)).source


def test_the_overlay_sells_what_the_library_lacks(book: PriceBook) -> None:
    assert {"alibaba", "replicate"}.isdisjoint(p.id for p in get_snapshot().providers)
    qwen = book.find("alibaba", "qwen3-coder-plus", DAY)
    assert qwen.input == Rate(nanousd("1"), ((32_000, nanousd("1.8")), (128_000, nanousd("3")), (256_000, nanousd("6"))))
    llama = book.find("replicate", "meta/llama-3-70b-instruct", DAY)
    assert (llama.input, llama.output) == (Rate(nanousd("0.65")), Rate(nanousd("2.75")))
    assert llama.valid_from == "2026-10-21"


@pytest.mark.parametrize(
    ("provider", "model", "on", "words"),
    [
        ("openai", "gpt-4z", DAY, ["openai/gpt-4z", "2026-11-21", "gpt-4o"]),
        ("opnai", "gpt-4o", DAY, ["'opnai'", "openai"]),
        ("groq", "whisper-large-v3", DAY, ["no price per token", "groq/whisper-large-v3"]),
        ("alibaba", "qwen-plus", dt.date(2026, 10, 20), ["known only from 2026-10-21"]),
        ("alibaba", "qwen-pluss", DAY, ["near: qwen-plus"]),
    ],
)
def test_an_unknown_price_is_one_line_that_helps(
    book: PriceBook, provider: str, model: str, on: dt.date, words: list[str]
) -> None:
    with pytest.raises(UnknownPrice) as caught:
        book.find(provider, model, on)
    assert str(caught.value) == caught.value.message
    assert "\n" not in caught.value.message
    assert [w for w in words if w not in caught.value.message] == []


def test_no_seller_is_given_the_price_of_another(book: PriceBook) -> None:
    azure = next(p for p in get_snapshot().providers if p.id == "azure")
    assert azure.find_model("grok-4", all_providers=get_snapshot().providers) is not None
    with pytest.raises(UnknownPrice, match=r"azure/grok-4.*sold by .*x-ai"):
        book.find("azure", "grok-4", DAY)


def _plain(provider: Provider) -> list[str]:
    """Ids of the models whose price a card can carry whole: per token, at one price all day."""
    found = []
    for listed in provider.models:
        model = provider.find_model(listed.id) or listed
        windows = [] if isinstance(model.prices, ModelPrice) else [c.constraint for c in model.prices]
        prices = model.get_prices(NOON)
        if (
            prices.input_mtok is not None
            and not any(isinstance(w, TimeOfDateConstraint) for w in windows)
            and prices.output_citation_mtok is None
        ):
            found.append(listed.id)
    return found


def test_every_card_costs_what_the_library_says(book: PriceBook) -> None:
    snapshot, compared, tiered = get_snapshot(), 0, 0
    usage = Usage(input_tokens=311_117, cache_read=100_003, cache_write=7_001, output_tokens=1_913, source="provider")
    theirs = LibraryUsage(input_tokens=311_117, cache_read_tokens=100_003, cache_write_tokens=7_001, output_tokens=1_913)
    for provider in snapshot.providers:
        for model in _plain(provider):
            listed = provider.find_model(model) or next(m for m in provider.models if m.id == model)
            price = listed.calc_price(theirs, provider, genai_request_timestamp=NOON)
            expected = int((price.total_price * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))
            assert cost_nanousd(book.find(provider.id, model, DAY), usage) == expected, f"{provider.id}/{model}"
            compared += 1
            tiered += isinstance(price.model_price.input_mtok, TieredPrices)
    assert compared > 1500
    assert tiered > 50


def test_no_price_starts_after_the_day_it_answers_for(book: PriceBook) -> None:
    for provider in get_snapshot().providers:
        for model in _plain(provider):
            for on in (dt.date(2025, 1, 1), DAY):
                assert dt.date.fromisoformat(book.find(provider.id, model, on).valid_from) <= on


def test_batch_and_flex_shares_are_those_of_the_library(book: PriceBook) -> None:
    for queue, context in (("batch", {"processing": "batch"}), ("flex", {"service_tier": "flex"})):
        share = {"batch": book.batch_multiplier, "flex": book.flex_multiplier}[queue]
        sellers = set()
        for provider in get_snapshot().providers:
            for model in provider.models:
                standard, queued = model.get_prices(NOON), model.get_prices(NOON, context)
                for key in ("input_mtok", "output_mtok"):
                    full, cheap = getattr(standard, key), getattr(queued, key)
                    if full is None or full == cheap:
                        continue
                    full, cheap = getattr(full, "base", full), getattr(cheap, "base", cheap)
                    assert cheap / full == share(provider.id), f"{provider.id}/{model.id} {queue} {key}"
                    sellers.add(provider.id)
        assert len(sellers) >= 2, queue
    assert book.batch_multiplier("xai") == Decimal("0.8")
    assert book.batch_multiplier("deepseek") is None
    assert book.flex_multiplier("anthropic") is None


def test_a_card_has_the_services_that_the_library_prices_apart(book: PriceBook) -> None:
    gpt = book.find("openai", "gpt-5", DAY)
    assert gpt.served("priority").output == Rate(nanousd("20"))
    assert gpt.served("flex").cache_read == Rate(nanousd("0.0625"))
    assert book.find("openai", "gpt-4o", DAY).served("batch").cache_read == Rate(nanousd("1.25")), "not halved in this queue"
    claude = book.find("anthropic", "claude-sonnet-4-5", DAY)
    assert claude.served("batch").cache_write_1h == Rate(nanousd("3"), ((200_000, nanousd("6")),))
    assert book.find("anthropic", "claude-opus-5-5", DAY).served("fast").input == Rate(nanousd("8"))


def test_a_queue_that_no_list_has_the_model_in_costs_the_sellers_share(book: PriceBook) -> None:
    assert book.find("openai", "gpt-4o", DAY).served("flex").output == Rate(nanousd("5"))
    assert book.find("aws", "amazon.nova-pro-v1:0", DAY).served("batch").input == Rate(nanousd("0.4"))


@pytest.mark.parametrize(
    ("service", "context"),
    [
        ("flex", {"service_tier": "flex"}),
        ("batch", {"processing": "batch"}),
        ("priority", {"service_tier": "priority"}),
        ("fast", {"speed": "fast"}),
    ],
)
def test_every_service_costs_what_the_library_says(book: PriceBook, service: str, context: dict[str, str]) -> None:
    usage = Usage(
        input_tokens=311_117, cache_read=100_003, cache_write=7_001, cache_write_1h=3_001, output_tokens=1_913, source="provider"
    )
    theirs = LibraryUsage(
        input_tokens=311_117,
        cache_read_tokens=100_003,
        cache_write_tokens=7_001,
        cache_write_1h_tokens=3_001,
        output_tokens=1_913,
    )
    compared = 0
    for provider in get_snapshot().providers:
        for model in _plain(provider):
            listed = provider.find_model(model) or next(m for m in provider.models if m.id == model)
            if listed.get_prices(NOON, context) == listed.get_prices(NOON):
                continue
            price = listed.get_prices(NOON, context).calc_price(theirs)["total_price"]
            expected = int((price * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))
            assert cost_nanousd(book.find(provider.id, model, DAY).served(service), usage) == expected, f"{provider.id}/{model}"
            compared += 1
    assert compared >= 3


def test_an_hour_in_the_cache_and_sound_have_rates_of_their_own(book: PriceBook) -> None:
    assert book.find("anthropic", "claude-haiku-4-5", DAY).cache_write_1h == Rate(nanousd("2"))
    flash = book.find("google", "gemini-2.5-flash", DAY)
    assert (flash.input_audio, flash.cache_read_audio) == (Rate(nanousd("1")), Rate(nanousd("0.1")))


def test_azure_has_openais_price_where_both_lists_say_the_same_and_says_so(book: PriceBook) -> None:
    (listed,) = load_overlay().listed_as
    for model in listed.models:
        azure, openai = book.find("azure", model, DAY), book.find("openai", model, DAY)
        assert (azure.input, azure.output, azure.cache_read) == (openai.input, openai.output, openai.cache_read)
        assert azure.provider == "azure"
        assert azure.source.startswith("listed at openai's price: LiteLLM 1.106.2 price JSON, 2026-10-21")
        assert "genai-prices" in azure.source
        assert [name for name, _ in azure.services] == ["batch"], "what Azure asks for other services is not known"
    with pytest.raises(UnknownPrice, match="sold by"):
        book.find("azure", "gpt-4o", dt.date(2026, 10, 20))
    with pytest.raises(UnknownPrice):
        book.find("azure", "gpt-4-turbo", DAY)  # dearer there


def test_the_overlay_was_compared_with_the_installed_library() -> None:
    assert load_overlay().library.version == metadata.version("genai-prices")


def test_every_overlay_price_can_be_found(book: PriceBook) -> None:
    for group in load_overlay().groups:
        for model in group.models:
            card = book.find(group.provider, model.upper(), group.valid_from)
            assert card.model == model.upper()
            assert card.source.startswith(group.source)
            assert 0 < card.input.nanousd_per_mtok <= card.output.nanousd_per_mtok
            for rate in (card.input, card.output, card.cache_read, card.cache_write):
                steps = [] if rate is None else [rate.nanousd_per_mtok, *(price for _, price in rate.tiers)]
                assert steps == sorted(steps)


def test_overlay_names_are_lower_case_so_that_any_spelling_finds_them() -> None:
    for group in load_overlay().groups:
        assert [m for m in group.models if m != m.lower()] == []


def test_a_card_is_resolved_once(book: PriceBook) -> None:
    assert book.find("openai", "gpt-4o", DAY) is book.find("OpenAI", "gpt-4o", DAY)
