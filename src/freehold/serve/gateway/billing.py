"""What one attempt will cost on the bill: its usage, or a local count where none came, times the price of the day.

And, beside the bill, what the answer would have cost elsewhere.
"""

import re
from collections.abc import Mapping
from datetime import date

import msgspec

from freehold.core.entry import Attempt, Entry
from freehold.core.price import PriceCard
from freehold.core.request import Request
from freehold.core.usage import Usage, estimate_tokens
from freehold.rules.price import cost_nanousd
from freehold.serve.gateway.policy import Policy
from freehold.wire.media_tokens import Media, Rule, media_of

_MOST_NANOUSD = 2**63 - 1  # what a ledger's column holds; an engine that reports absurd usage must not cost the entry
_TIER = re.compile(r"[a-z0-9_.-]{1,32}")  # what a name of a service looks like; anything else is not repeated
_IMAGE_RULES: Mapping[str, Rule] = {
    "openai": "openai", "azure": "openai", "anthropic": "anthropic", "google": "google", "google_openai": "google",
}  # fmt: skip


class Passed(msgspec.Struct, frozen=True):
    """What was seen passing of one attempt, to estimate from: bytes asked and answered, and how many events had content.

    `request` is what was asked, where its media are to be told from its text; `codec` names whose rule counts those.
    """

    input_bytes: int
    text_bytes: int
    content_events: int
    request: Request | None = None
    codec: str = ""


def bill(attempt: Attempt, passed: Passed) -> None:
    """Fill in usage and cost, at the price of the service that the reply names.

    A target that began to answer, or that was given up on or left by the caller while it worked, bills even where no usage came:
    that is counted here, four bytes a token and at least one token per content event, images by their size, and marked estimated.
    """
    began = attempt.status is not None and 200 <= attempt.status < 300
    if attempt.usage is None and (began or attempt.outcome in {"cancelled", "timed_out"}):
        media = _media(passed, attempt.model)
        text = max(0, passed.input_bytes - media.characters)
        output = max(passed.content_events, estimate_tokens(passed.text_bytes))
        attempt.usage = Usage(input_tokens=estimate_tokens(text) + media.tokens, output_tokens=output, source="estimated")
        if media.unknown:
            floor = f"{media.unknown} media of unknown size count with a floor"
            attempt.detail = f"{attempt.detail}; {floor}" if attempt.detail else floor
    if attempt.service_tier is not None and not _TIER.fullmatch(attempt.service_tier):
        attempt.service_tier = "unreadable"
    if attempt.price is not None:
        attempt.price = attempt.price.served(attempt.service_tier)
        if attempt.usage is not None:
            attempt.cost_nanousd = cost_nanousd(attempt.price, attempt.usage)


def _media(passed: Passed, model: str) -> Media:
    if passed.request is None or not passed.input_bytes:
        return Media()
    try:
        return media_of(passed.request.fields, _IMAGE_RULES.get(passed.codec), model)
    except (ValueError, RecursionError):  # then all of it counts as text, which is too much rather than too little
        return Media()


def compare(entry: Entry, policy: Policy, day: date) -> None:
    """Fill in the shadow price: the answer's usage at the workload's first other rented target that has a price.

    Whether that target may see the data does not matter, nothing is sent there; the price is part of no cost. Without such a
    target, or without usage, there is none.
    """
    workload = policy.workloads.get(entry.workload)
    if entry.usage is None or workload is None:
        return
    for name in workload.targets:
        card = None if name == entry.target else _price_at(name, policy, day)
        if card is not None:
            amount = cost_nanousd(card, entry.usage)
            if amount <= _MOST_NANOUSD:
                entry.shadow_nanousd, entry.shadow_at = amount, name
            return


def _price_at(name: str, policy: Policy, day: date) -> PriceCard | None:
    try:
        return policy.price(policy.targets[name], day)
    except LookupError:  # none is known for today: a comparison is not worth a request
        return None
