"""The figures between a claim's inputs and its verdict: blended price, how far off, and what the hardware would have to do."""

import math
from fractions import Fraction

import msgspec

from freehold.plan.claims.audit import blended_price
from freehold.plan.claims.claim import EquationClaim
from freehold.plan.claims.hardware import Hardware
from freehold.plan.claims.quantities import (
    Machines,
    Quantity,
    Rate,
    Share,
    Tflops,
    Times,
    TokensPerDay,
    UsdPerDay,
    UsdPerMillionTokens,
    converted,
    exactly,
)
from freehold.plan.claims.texts import Amount, amount, show


class Figure(msgspec.Struct, frozen=True):
    """One figure on the way, and where the fact behind it comes from."""

    name: str
    value: Amount
    source: str = ""


def figures(body: EquationClaim, found: Quantity, *, holds: bool) -> list[Figure]:
    """Everything worth showing beside what was asserted and what came out."""
    rows: list[Figure] = []
    if "price.input" in body.given:
        rows.append(Figure("price, blended", amount(blended_price(body.given))))
    off = None if holds else off_by(body.asserted, found)
    if off and body.kind != "serving":
        rows.append(Figure("off by", amount(off)))
    if body.hardware:
        rows += _hardware_figures(body, body.hardware, asked_of_hardware(body, found).low)
    return rows


def asked_of_hardware(body: EquationClaim, found: Quantity) -> TokensPerDay:
    """What has to be served for the claim to hold: the lowest crossover, or the highest volume stated or asserted."""
    volume = {"crossover": found, "serving": body.asserted}.get(body.kind) or body.given["volume"]
    assert isinstance(volume, Rate)
    per_day = converted(volume, TokensPerDay, body.month)
    return exactly(TokensPerDay, per_day.low if body.kind == "crossover" else per_day.high)


def off_by(asserted: Quantity, found: Quantity) -> Times | None:
    """How many times too large or too small, from the ends that differ least to those that differ most; None for shares."""
    if isinstance(asserted, Share) or min(asserted.low, found.low) <= 0:
        return None
    if found.low > asserted.high:
        return Times(found.low / asserted.high, found.high / asserted.low)
    if asserted.low > found.high:
        return Times(asserted.low / found.high, asserted.high / found.low)
    return None


def cost_at_top(body: EquationClaim, hardware: Hardware) -> UsdPerMillionTokens | None:
    """What a million tokens cost where the hardware is full; None where no hosting cost is stated."""
    hosting = {**body.given, **body.context}.get("hosting")
    if not isinstance(hosting, Rate):
        return None
    per_day, top = converted(hosting, UsdPerDay, body.month), hardware.top_tokens_per_day()
    return UsdPerMillionTokens(per_day.low * 10**6 / top, per_day.high * 10**6 / top)


def api_price(body: EquationClaim) -> UsdPerMillionTokens | None:
    """The API's price of a million tokens; None where none is stated."""
    stated = {**body.given, **body.context}
    return blended_price(stated) if {"price", "price.input"} & stated.keys() else None


def share_of_best_rating(hardware: Hardware, tflops: Fraction) -> Share | None:
    """The arithmetic as a share of the highest rating published for the chip; None where none is stated."""
    return exactly(Share, tflops / hardware.best_rating.low) if hardware.best_rating else None


def at_efficiency(hardware: Hardware) -> str:
    """The stated efficiency in words."""
    return f"at {show(hardware.limits['efficiency'])} of the dense {hardware.arithmetic} peak"


def _hardware_figures(body: EquationClaim, hardware: Hardware, tokens_per_day: Fraction) -> list[Figure]:
    needed, top = hardware.tflops_for(tokens_per_day), hardware.top_tokens_per_day()
    stated_machines = hardware.limits["machines"].low
    whole = math.ceil(tokens_per_day / top * stated_machines)
    rows: list[tuple[str, Quantity | None, str]] = [
        ("weights", hardware.weights, hardware.model_source),
        ("memory of a machine to use", hardware.memory, hardware.gpu_source),
        ("arithmetic needed, spread evenly over the day", exactly(Tflops, needed), ""),
        (f"dense {hardware.arithmetic} peak", exactly(Tflops, hardware.peak_tflops), hardware.gpu_source),
        ("share of that peak needed", exactly(Share, needed / hardware.peak_tflops), ""),
        ("share of the highest published rating needed", share_of_best_rating(hardware, needed), hardware.best_rating_source),
        (f"top volume, {at_efficiency(hardware)}", exactly(TokensPerDay, top), ""),
        ("machines for the volume, whole ones", exactly(Machines, whole), ""),
    ]
    hosting = {**body.given, **body.context}.get("hosting")
    if hosting:
        factor = whole / stated_machines
        rows.append(("hosting of these machines", type(hosting)(hosting.low * factor, hosting.high * factor), ""))
    rows += [("hosting cost at the top volume", cost_at_top(body, hardware), ""), ("price at the API", api_price(body), "")]
    return [Figure(name, amount(quantity), source) for name, quantity, source in rows if quantity is not None]
