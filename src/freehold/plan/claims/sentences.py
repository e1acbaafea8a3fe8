"""The verdict on a claim in one sentence."""

from fractions import Fraction

from freehold.plan.claims.claim import EquationClaim
from freehold.plan.claims.figures import api_price, asked_of_hardware, at_efficiency, cost_at_top, off_by, share_of_best_rating
from freehold.plan.claims.hardware import Hardware
from freehold.plan.claims.quantities import Quantity, Rate, Share, Tflops, TokensPerDay, TokensPerMonth, converted, exactly
from freehold.plan.claims.texts import show


def comparison(body: EquationClaim, found: Quantity, *, holds: bool) -> str:
    """What comes out beside what was asserted, hardware left aside."""
    if body.kind == "serving" and body.hardware:
        peak = f"a peak above {float(found.low / body.asserted.high):.3g} times the mean fills it"
        return f"{_capability(body.hardware)}; {peak}{_dearer_than_api(body, body.hardware)}"
    what = body.equation_kind.asserts
    text = f"{'' if what == 'hosting' else 'the '}{what} comes to {show(found)}{_per_other_period(body, found)}"
    if holds:
        return f"{text}, as claimed" if found == body.asserted else f"{text}; {show(body.asserted)} was claimed"
    off = off_by(body.asserted, found)
    return f"{text}, not {show(body.asserted)}" + (f"; off by {show(off)}" if off else "")


def limit(body: EquationClaim, found: Quantity) -> str | None:
    """Why the hardware cannot carry the claim, or None."""
    hardware = body.hardware
    if hardware is None:
        return None
    if not hardware.fits:
        return (
            f"{hardware.model} needs {show(hardware.weights)} for its weights and {hardware.label} has "
            f"{show(hardware.memory)} to use: more GPUs, a bigger one, or a lower precision"
        )
    asked = asked_of_hardware(body, found)
    if asked.low <= hardware.top_tokens_per_day():
        return None
    if body.kind == "serving":
        needed, peak = hardware.tflops_for(asked.low), hardware.peak_tflops
        return (
            f"{show(asked)} need {show(exactly(Tflops, needed))}, {show(exactly(Share, needed / peak))} of the "
            f"{show(exactly(Tflops, peak))} dense {hardware.arithmetic} peak{_of_best_rating(hardware, needed)}; "
            f"{_capability(hardware)}{_dearer_than_api(body, hardware)}"
        )
    if body.kind == "crossover":
        return f"hosting would cost less from {show(asked)} on, but {_capability(hardware)}: no crossover on this hardware"
    return f"the claim needs {show(asked)} served, but {_capability(hardware)}"


def _of_best_rating(hardware: Hardware, tflops: Fraction) -> str:
    share = share_of_best_rating(hardware, tflops)
    return "" if share is None else f" and {show(share)} of the highest rating published for the chip"


def _capability(hardware: Hardware) -> str:
    top = exactly(TokensPerDay, hardware.top_tokens_per_day())
    return f"{hardware.label} tops out at {show(top)} of {hardware.model}, {at_efficiency(hardware)}"


def _dearer_than_api(body: EquationClaim, hardware: Hardware) -> str:
    cost, price = cost_at_top(body, hardware), api_price(body)
    if cost is None or price is None or cost.low <= price.high:
        return ""
    return f"; there it costs {show(cost)}, above the API's {show(price)}: no crossover on this hardware"


def _per_other_period(body: EquationClaim, found: Quantity) -> str:
    if body.month is None or not isinstance(found, TokensPerDay | TokensPerMonth):
        return ""
    other: type[Rate] = TokensPerMonth if isinstance(found, TokensPerDay) else TokensPerDay
    return f" ({show(converted(found, other, body.month))})"
