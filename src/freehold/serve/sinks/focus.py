"""Lines of FOCUS cost and usage, versions 1.2 and 1.3, as text by column: rented use, owned machine hours, imported bills.

Specification: focus.finops.org, Cost and Usage columns and split cost allocation (1.2 and 1.3, read 2026-11). Amounts come as
integers and leave as exact decimals, always with a point: some readers take a column without one for whole numbers.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from freehold.core.money import MILLION
from freehold.rules.allocation import HOUR_S, MICRO, RULE, MachineHour, OwnedShare, part_of
from freehold.rules.charges import Charge, ImportedUse, Meter

Version: TypeAlias = Literal["1.2", "1.3"]
Line: TypeAlias = dict[str, str]

_ALLOCATED = "AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName AllocatedTags".split()
_NEW = (*_ALLOCATED, "HostProviderName", "ServiceProviderName")  # in 1.3
_FOCUS = """BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory
ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId
CommitmentDiscountName CommitmentDiscountStatus CommitmentDiscountType ConsumedQuantity ConsumedUnit ContractedCost
ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingQuantity PricingUnit
ProviderName PublisherName RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName
ServiceSubcategory SkuId SkuMeter SkuPriceId SubAccountId SubAccountName SubAccountType Tags""".split()
_OURS = """x_Basis x_CachedTokens x_InputTokens x_Key x_Lab x_MachineSlotSeconds x_Model x_ModelRevision x_OutputTokens x_Requests
x_ServiceTier x_Target x_TokenType x_UsageSource x_Workload""".split()
COLUMNS: Mapping[Version, tuple[str, ...]] = {
    "1.2": (*_FOCUS, *sorted([*_OURS, *(f"x_{name}" for name in _ALLOCATED)])),
    "1.3": (*sorted([*_FOCUS, *_NEW]), *_OURS),
}

_METER_NAMES: Mapping[Meter, str] = {
    "input": "Input Tokens",
    "cache_read": "Cache Read Input Tokens",
    "cache_write": "Cache Write Input Tokens",
    "cache_write_1h": "One Hour Cache Write Input Tokens",
    "input_audio": "Audio Input Tokens",
    "cache_read_audio": "Cache Read Audio Input Tokens",
    "output": "Output Tokens",
    "reasoning": "Reasoning Output Tokens",
    "output_audio": "Audio Output Tokens",
    "request": "Requests",
}
_MILLION_TOKENS = f"{MILLION} Tokens"
_PART = 10**12  # shares of an hour, and the hours themselves, are cut this fine, so that they add up as decimals
_NANO_PLACES, _PART_PLACES, _MILLION_PLACES = 9, 12, 6


def rented_line(charge: Charge, account: str) -> Line:
    """One meter's use at a rented target. Without a price card the lists' amounts are those booked, as the standard asks."""
    card = charge.price
    seller = card.provider if card else charge.target
    tier = (card.service_tier if card else None) or ""
    sku = f"{seller}/{card.model if card else charge.model}/{charge.meter}{tier and f'/{tier}'}"
    by_request = charge.meter == "request"
    line = _line(account, charge.hour, charge.hour + HOUR_S, charge.cost_nanousd) | _sold_by(seller, f"{seller} API")
    line |= {
        "ChargeDescription": f"{_METER_NAMES[charge.meter]} of {charge.model}, workload {charge.workload}",
        "ConsumedQuantity": exact(charge.quantity, 0),
        "ConsumedUnit": "Requests" if by_request else "Tokens",
        "PricingQuantity": exact(charge.quantity, 0 if by_request else _MILLION_PLACES),
        "PricingUnit": "Requests" if by_request else _MILLION_TOKENS,
        "SkuId": sku,
        "SkuMeter": _METER_NAMES[charge.meter],
        "SubAccountId": charge.key,
        "SubAccountName": charge.key,
        "SubAccountType": "API key",
        "Tags": _json({"workload": charge.workload}),
        "x_Basis": "rented",
        "x_Key": charge.key,
        "x_Target": charge.target,
        "x_TokenType": "" if by_request else charge.meter,
        "x_UsageSource": charge.source or "",
        "x_Workload": charge.workload,
    }
    line |= _model(charge.model) | _lab(charge.lab) | ({"x_ServiceTier": tier} if tier else {})
    if charge.unit_nanousd is not None:
        listed = exact(charge.quantity * charge.unit_nanousd, _NANO_PLACES if by_request else _NANO_PLACES + _MILLION_PLACES)
        price = exact(charge.unit_nanousd, _NANO_PLACES)
        line |= _priced(price, listed, f"{charge.price_id}/{charge.meter}/{price}")
    return line


def machine_lines(hour: MachineHour, shares: Sequence[OwnedShare], account: str) -> Iterator[Line]:
    """One target's machine hour, split among its users as `shares` says; they are all of that hour, and add up to its cost.

    A line of nobody's is an hour in which the machine stood idle. Every quantity and ratio adds up to the hour's as well.
    """
    machine = hour.machine
    weights = [round(share.busy_slot_s * MICRO) for share in shares]
    if not any(weights):
        weights = [share.key is None for share in shares]
    up = hour.up_us * _PART // (HOUR_S * MICRO)
    total, before = sum(weights), 0
    sku = f"{machine.provider}/{machine.gpu_count}x{machine.gpu}/{machine.hire_plan}"
    price = exact(machine.price_nanousd_h, _NANO_PLACES)
    for share, weight in zip(shares, weights, strict=True):
        part = part_of(up, before, weight, total)
        ratio = part_of(_PART, before, weight, total)
        before += weight
        line = _line(account, hour.hour, hour.hour + HOUR_S, share.cost_nanousd) | _allocated(share, ratio)
        line |= _sold_by(machine.provider, f"{machine.provider} GPU machines")
        line |= {
            "ChargeDescription": f"Machine hours of {machine.gpu_count} x {machine.gpu}, {_used_by(share)}",
            "ConsumedQuantity": exact(part, _PART_PLACES),
            "ConsumedUnit": "Hours",
            "PricingCategory": "Dynamic" if machine.hire_plan == "spot" else "Standard",
            "PricingQuantity": exact(part, _PART_PLACES),
            "PricingUnit": "Hours",
            "ResourceId": machine.target,
            "ResourceName": machine.target,
            "ResourceType": "GPU machine",
            "SkuId": sku,
            "SkuMeter": "Machine Hours",
            "x_Basis": "owned",
            "x_InputTokens": exact(share.input_tokens, 0),
            "x_Key": share.key or "",
            "x_MachineSlotSeconds": "" if hour.slot_us is None else exact(hour.slot_us, _MILLION_PLACES),
            "x_OutputTokens": exact(share.output_tokens, 0),
            "x_Requests": exact(share.requests, 0),
            "x_Target": share.target,
            "x_Workload": share.workload or "",
        }
        listed = exact(part * machine.price_nanousd_h, _PART_PLACES + _NANO_PLACES)
        yield line | _priced(price, listed, f"{sku}/{price}") | _model(share.model) | _lab(share.lab)


def imported_line(use: ImportedUse, account: str) -> Line:
    """Use as its source billed it: a price for the whole, because the source's unit prices are not known here."""
    seller, model = use.provider or "unknown", use.model or "unknown"
    tokens = use.input_tokens + use.output_tokens
    if use.meter is not None:
        counted, unit = tokens, "Tokens"
    else:  # tokens of several kinds under one cost: a reader must not take their sum for one meter's
        counted, unit = (1, "Units") if use.requests is None else (use.requests, "Requests")
    cost = exact(use.cost_nanousd, _NANO_PLACES)
    line = _line(account, use.start, use.end, use.cost_nanousd) | _sold_by(seller, f"{seller} API")
    line |= {
        "ChargeDescription": f"Imported use of {model}, workload {use.workload}",
        "ConsumedQuantity": exact(counted, 0),
        "ConsumedUnit": unit,
        "PricingCategory": "Other",
        "PricingQuantity": exact(1, 0),
        "PricingUnit": "Units",
        "SkuId": f"{seller}/{model}/as billed",
        "SkuMeter": "As Billed" if use.meter is None else _METER_NAMES[use.meter],
        "Tags": _json({"workload": use.workload}),
        "x_Basis": "imported",
        "x_CachedTokens": exact(use.cache_read, 0),
        "x_InputTokens": exact(use.input_tokens, 0),
        "x_OutputTokens": exact(use.output_tokens, 0),
        "x_Requests": "" if use.requests is None else exact(use.requests, 0),
        "x_TokenType": use.meter or "",
        "x_Workload": use.workload,
    }
    return line | _priced(cost, cost, f"{seller}/{model}/as billed") | (_model(use.model) if use.model else {})


def cells(line: Line, version: Version) -> list[str]:
    """The line in the order of that version's columns; what 1.2 does not know yet stands in columns of ours there."""
    if version == "1.2":
        line = line | {f"x_{name}": line[name] for name in _ALLOCATED if name in line}
    return [line.get(name, "") for name in COLUMNS[version]]


def exact(amount: int, places: int) -> str:
    """An amount, 0 or more, of 10**-places as a decimal: (2500, 9) -> '0.0000025', (3, 0) -> '3.0'."""
    whole, part = divmod(amount, 10**places)
    digits = f"{part:0{places}d}".rstrip("0") if places else ""
    return f"{whole}.{digits or '0'}"


def _line(account: str, start: int, end: int, cost_nanousd: int) -> Line:
    """What every line says."""
    opened = dt.datetime.fromtimestamp(start, dt.UTC).replace(day=1, hour=0, minute=0, second=0)
    closed = (opened + dt.timedelta(days=32)).replace(day=1)
    cost = exact(cost_nanousd, _NANO_PLACES)
    return {
        "BilledCost": cost,
        "BillingAccountId": account,
        "BillingAccountName": account,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _time(closed),
        "BillingPeriodStart": _time(opened),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _time(dt.datetime.fromtimestamp(end, dt.UTC)),
        "ChargePeriodStart": _time(dt.datetime.fromtimestamp(start, dt.UTC)),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "PricingCategory": "Standard",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
    }


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sold_by(seller: str, service: str) -> Line:
    """The seller under the names that 1.2 has for it and those of 1.3; who hosts a seller is not known."""
    names = ("HostProviderName", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName")
    return dict.fromkeys(names, seller) | {"ServiceName": service}


def _priced(price: str, amount: str, ident: str) -> Line:
    return {
        "ContractedCost": amount,
        "ContractedUnitPrice": price,
        "ListCost": amount,
        "ListUnitPrice": price,
        "SkuPriceId": ident,
    }


def _model(model: str) -> Line:
    name, _, revision = model.partition("@")
    return {"x_Model": name, "x_ModelRevision": revision}


def _lab(lab: bool) -> Line:
    return {"x_Lab": "true"} if lab else {}


def _allocated(share: OwnedShare, ratio: int) -> Line:
    """Whose part of the machine's hour it is. What is nobody's has a method, but no resource that it fell to."""
    element = {
        "AllocatedRatio": msgspec.Raw(exact(ratio, _PART_PLACES).encode()),
        "UsageUnit": "Slot-Seconds",
        "UsageQuantity": msgspec.Raw(exact(round(share.busy_slot_s * MICRO), _MILLION_PLACES).encode()),
    }
    line = {"AllocatedMethodDetails": _json({"Elements": [element]}), "AllocatedMethodId": f"freehold/{RULE}"}
    if share.key is None:
        return line
    whose = f"{share.workload}/{share.key}"
    tags = _json({"key": share.key, "workload": share.workload})
    return line | {"AllocatedResourceId": whose, "AllocatedResourceName": whose, "AllocatedTags": tags}


def _used_by(share: OwnedShare) -> str:
    return "nobody's: it stood idle" if share.key is None else f"used by workload {share.workload}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
