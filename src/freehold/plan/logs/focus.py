"""FOCUS 1.2 and 1.3 bills: the lines that count tokens; all others (machines, storage, taxes) are left out. Buckets.

Specification: focus.finops.org, Cost and Usage columns (1.2 and 1.3, read 2026-11). A line counts one meter, so input, cached
input and output of the same use stand on lines of their own; which one it is stands in the meter's name. No request counts.
"""

import re
from decimal import Decimal

from freehold.core.money import nanousd
from freehold.plan.logs.fields import number, shown, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record

_UNIT = re.compile(r"(?:(?P<count>\d[\d,]*)?\s*(?P<scale>[km])?\s*)?tokens?", re.IGNORECASE)
_SCALES = {"": 1, "k": 1_000, "m": 1_000_000}
_METERS = ("x_TokenType", "SkuMeter", "SkuPriceDetails", "ChargeDescription", "SkuId")
# Azure writes Inp, Outp or opt, and cchd in its meters' names.
_OUTPUT = re.compile(r"outp|\bopt\b|completion|response|generated", re.IGNORECASE)
_CACHE_WRITE = re.compile(r"cach\w*[\s_-]*(?:write|creation)|(?:write|creation)[\s_-]*cach", re.IGNORECASE)
_CACHE_READ = re.compile(r"cach|cchd", re.IGNORECASE)
_INPUT = re.compile(r"inp|prompt", re.IGNORECASE)


def _read(record: Record) -> LoggedUsage | None:
    if text(record, "ChargeCategory") not in (None, "Usage") or text(record, "ChargeClass") == "Correction":
        return None
    tokens = _tokens(record)
    if not tokens:
        return None
    kind = _kind(record)
    start = when(record, "ChargePeriodStart")
    in_dollars = (text(record, "BillingCurrency") or "USD").upper() == "USD"
    billed = number(record, "BilledCost") if in_dollars else None
    return LoggedUsage(
        time=start,
        bucket_s=when(record, "ChargePeriodEnd") - start,
        provider=text(record, "ServiceProviderName", "ProviderName", "PublisherName"),
        model=text(record, "x_Model", "x_ModelRevision", "ResourceName"),
        requests=None,
        input_tokens=0 if kind == "output" else tokens,
        cache_read=tokens if kind == "cache_read" else 0,
        output_tokens=tokens if kind == "output" else 0,
        cost_nanousd=None if billed is None else nanousd(billed),
    )


def _tokens(record: Record) -> int | None:
    """How many tokens the line counts; None where it counts something else."""
    for quantity, unit in (("ConsumedQuantity", "ConsumedUnit"), ("PricingQuantity", "PricingUnit")):
        found = _UNIT.fullmatch(text(record, unit) or "")
        if found and (amount := number(record, quantity)) is not None:
            each = int((found["count"] or "1").replace(",", "")) * _SCALES[(found["scale"] or "").lower()]
            return int((amount * Decimal(each)).to_integral_value())
    return None


def _kind(record: Record) -> str:
    for name in _METERS:
        meter = text(record, name) or ""
        for kind, words in (("output", _OUTPUT), ("input", _CACHE_WRITE), ("cache_read", _CACHE_READ), ("input", _INPUT)):
            if words.search(meter):
                return kind
    raise ValueError(f"the meter {shown(text(record, *_METERS))} says neither input nor output; expected it in {_METERS[1]}")


FOCUS = LogFormat(
    name="focus",
    known_by=(frozenset({"ChargePeriodStart", "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit"}),),
    read=_read,
    workload="focus",
)
