"""An entry, its attempts and their price cards as rows of tables, in the order of the columns named here."""

import hashlib
from functools import lru_cache

import msgspec

from freehold.core.entry import Attempt, Entry
from freehold.core.price import PriceCard
from freehold.core.usage import Usage
from freehold.wire.plain_usage import plain_usage

PRICE_COLUMNS = tuple("id provider model valid_from source card".split())
ENTRY_COLUMNS = tuple(
    "id received_at stands_for workload key data_class regions asked_model dialect stream policy outcome status error_code "
    "reason removed spilled target model basis uncached_input cache_read cache_write answer_output reasoning usage_source "
    "cost_nanousd ttft_s total_s marginal_nanousd shadow_nanousd shadow_at lab demanded team user_id budgets findings "
    "prompt weights purpose".split()
)
ATTEMPT_COLUMNS = tuple(
    "entry_id n target model kind reason started_s first_token_s ended_s outcome status detail uncached_input cache_read "
    "cache_write answer_output reasoning usage_source raw_usage cost_nanousd price_id prompt weights "
    "cache_write_1h input_audio cache_read_audio output_audio service_tier".split()
)


def entry_row(e: Entry) -> tuple[object, ...]:
    """The entry without its attempts."""
    regions = None if e.regions is None else ",".join(e.regions)
    removed = msgspec.json.encode(e.removed).decode() if e.removed else None
    return (
        e.id, e.received_at, e.stands_for, e.workload, e.key, e.data_class, regions, e.asked_model, e.dialect, e.stream,
        e.policy, e.outcome, e.status, e.error_code, e.reason, removed, e.spilled, e.target, e.model, e.basis,
        *_buckets(e.usage), e.cost_nanousd, e.ttft_s, e.total_s, e.marginal_nanousd, e.shadow_nanousd, e.shadow_at, e.lab,
        None if e.demanded is None else msgspec.json.encode(e.demanded).decode(), e.team, e.user,
        msgspec.json.encode([charge.owner for charge in e.charges]).decode() if e.charges else None,
        msgspec.json.encode(e.findings).decode() if e.findings else None, e.prompt, e.weights, e.purpose,
    )  # fmt: skip


def attempt_row(entry_id: str, n: int, a: Attempt) -> tuple[object, ...]:
    """The n-th attempt of an entry, from 0."""
    return (
        entry_id, n, a.target, a.model, a.kind, a.reason, a.started_s, a.first_token_s, a.ended_s, a.outcome, a.status,
        a.detail, *_buckets(a.usage), _kept(a.raw_usage), a.cost_nanousd, None if a.price is None else price_id(a.price),
        a.prompt, a.weights, *_kinds(a.usage), a.service_tier,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def price_id(card: PriceCard) -> str:
    """The same for the same card."""
    return hashlib.sha256(msgspec.json.encode(card)).hexdigest()[:16]


def price_row(ident: str, card: PriceCard) -> tuple[str, ...]:
    """A card under its id."""
    return ident, card.provider, card.model, card.valid_from, card.source, msgspec.json.encode(card).decode()


def _kept(raw_usage: str | None) -> str | None:
    return None if raw_usage is None else plain_usage(raw_usage)


def _buckets(usage: Usage | None) -> tuple[int | str | None, ...]:
    """Disjoint token buckets and who counted; an unreported detail is NULL, and its tokens stay in the bucket it is part of."""
    if usage is None:
        return (None,) * 6
    return usage.uncached, usage.cache_read, usage.cache_write, usage.answer, usage.reasoning, usage.source


def _kinds(usage: Usage | None) -> tuple[int | None, ...]:
    """How much of those buckets is priced apart: of the cache write, the uncached input, the cache read and the answer."""
    if usage is None:
        return (None,) * 4
    return usage.cache_write_1h, usage.input_audio, usage.cache_read_audio, usage.output_audio
