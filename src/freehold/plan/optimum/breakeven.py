"""From which volume on owning pays: the load scaled as it is, bursts and all (plain superposition would smooth them away)."""

from collections.abc import Sequence

import msgspec
import numpy as np

from freehold.core.money import MILLION, show
from freehold.plan.optimum.hybrid import Market
from freehold.plan.optimum.superposition import smoothed_first_scale

_MACHINES = np.arange(1, 10_001)
_DOUBLINGS = 60


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens a day from which owning some (`first`) and owning all (`all`) is cheaper than renting all; None with a reason.

    `smoothed`: owning some, if the growth up to there came from users independent of each other; None where owning pays today
    already, or not even then.
    """

    first_tokens_per_day: float | None
    smoothed_tokens_per_day: float | None
    all_tokens_per_day: float | None
    first_reason: str
    all_reason: str


class VolumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Monthly cost at one volume: renting all, owning all, and the cheapest mix with its replicas."""

    tokens_per_day: float
    rented_nanousd_month: int
    owned_nanousd_month: int
    hybrid_nanousd_month: int
    replicas: int


def break_even(market: Market, tokens_per_day: float) -> BreakEven:
    """Both volumes, at the measured mix and dispersion. Where sensitive work exists, owning is no question of volume."""
    if market.load.peak_sensitive_s > 0:
        why = "sensitive requests may not be rented, so they are owned at any volume"
        return BreakEven(
            first_tokens_per_day=None, smoothed_tokens_per_day=None, all_tokens_per_day=None, first_reason=why, all_reason=why
        )
    first, whole = _first_scale(market), _all_scale(market)
    if first is not None and whole is not None:
        first = min(first, whole)
    smoothed = None if first is not None and first <= 1 else smoothed_first_scale(market)
    if smoothed is not None and first is not None:
        smoothed = min(smoothed, first)
    busiest, at_peak = _best_use(market), _use_at_peak(market)
    return BreakEven(
        first_tokens_per_day=None if first is None else first * tokens_per_day,
        smoothed_tokens_per_day=None if smoothed is None else smoothed * tokens_per_day,
        all_tokens_per_day=None if whole is None else whole * tokens_per_day,
        first_reason=(
            f"at best, {_unit_prices(market, tokens_per_day, busiest)}"
            if first is None
            else "the first owned replicas cost less than the API calls they take over"
        ),
        all_reason=(
            f"sized for the peak, {_unit_prices(market, tokens_per_day, at_peak)}"
            if whole is None
            else "from here the replicas for the whole peak cost less than the API"
        ),
    )


def volume_curve(market: Market, tokens_per_day: float, volumes: Sequence[float]) -> list[VolumePoint]:
    """Monthly cost at each volume (tokens a day), the observed load scaled to it."""
    points = []
    for volume in volumes:
        scale = volume / tokens_per_day
        least = market.replicas_for_sensitive(scale)
        replicas = np.arange(max(market.replicas_for(market.load.peak_s, scale), least) + 1)
        running = market.running_nanousd(replicas, scale)
        total = market.fixed_nanousd(replicas) + market.spilled_nanousd(replicas, scale) + running
        best = least + int(np.argmin(total[least:]))
        points.append(
            VolumePoint(
                tokens_per_day=volume,
                rented_nanousd_month=round(market.bill_nanousd_month * scale),
                owned_nanousd_month=round(total[-1]),
                hybrid_nanousd_month=round(total[best]),
                replicas=best,
            )
        )
    return points


def _first_scale(market: Market) -> float | None:
    """The smallest scale at which some number of full machines costs less than what it displaces, by bisection."""
    replicas = _MACHINES * market.owned.replicas_per_machine
    fixed = market.fixed_nanousd(replicas)

    def pays(scale: float) -> bool:
        displaced = market.bill_nanousd_month * scale - market.spilled_nanousd(replicas, scale)
        return bool((displaced > fixed + market.running_nanousd(replicas, scale)).any())

    if _limit_nanousd_month(market) * market.owned.replicas_per_machine <= _next_machine_nanousd_month(market):
        return None
    low, high = 0.0, market.replica_window_s / market.load.peak_s
    for _ in range(_DOUBLINGS):
        if pays(high):
            break
        low, high = high, 2 * high
    else:
        return None
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high


def _all_scale(market: Market) -> float | None:
    """The smallest scale at which full machines that carry the peak cost no more than the API: fixed(k) <= scale x bill."""
    replicas = _MACHINES * market.owned.replicas_per_machine
    carried = replicas * market.replica_window_s / market.load.peak_s
    saved = market.bill_nanousd_month - market.marginal_nanousd * market.to_month
    if saved <= 0:
        return None
    needed = market.fixed_nanousd(replicas) / saved
    paying = np.flatnonzero(needed < carried)
    return float(needed[paying[0]]) if len(paying) else None


def _limit_nanousd_month(market: Market) -> float:
    """What one replica displaces a month when the load is so high that it is busy in every window that has work at all."""
    rates = market.load.rate_nanousd - market.marginal_nanousd / market.load.total_s
    return float(rates[market.load.work_s > 0].sum()) * market.replica_window_s * market.to_month


def _next_machine_nanousd_month(market: Market) -> float:
    """What one more machine costs among very many: its spares, storage and part of a crew with it."""
    owned = market.owned
    many = np.array([0, 8 * len(_MACHINES)]) + len(_MACHINES)
    first, last = owned.month_nanousd(many * owned.replicas_per_machine)
    return float(last - first) / (8 * len(_MACHINES))


def _best_use(market: Market) -> float:
    """How busy a replica can be at any volume: to the limit, in the windows that have work at all."""
    return float((market.load.work_s > 0).mean()) * market.max_utilisation


def _use_at_peak(market: Market) -> float:
    """How busy replicas are when the fullest window just keeps them at the limit."""
    return float(market.load.work_s.mean()) / market.load.peak_s * market.max_utilisation


def _unit_prices(market: Market, tokens_per_day: float, use: float) -> str:
    """The owned price at that use against the API's, per million tokens of this mix."""
    tokens_month = tokens_per_day / 24 * market.owned.month_hours
    tokens_per_replica_s = tokens_month / (market.load.total_s * market.to_month)
    carried = market.owned.month_hours * 3600 * use * tokens_per_replica_s * market.owned.replicas_per_machine
    owned = round(_next_machine_nanousd_month(market) / carried * MILLION)
    rented = round(market.bill_nanousd_month / tokens_month * MILLION)
    return f"a replica is {use:.0%} busy and costs {show(owned, 3)} per million tokens of this mix, the API {show(rented, 3)}"
