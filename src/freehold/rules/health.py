"""All that is known of one target's health, as one pure state: breaker, cool-down and quota; and what a decision sees of it."""

import math

import msgspec

from freehold.core.decision import TargetState
from freehold.rules.breaker import Breaker, Breaking, Event, phase, step
from freehold.rules.cooling import Cooling, cooled, recovered
from freehold.rules.quota import UNKNOWN, Quota, Rates, room_in
from freehold.rules.ramp import Ramp, share

_OWN_PROBE_S = 30.0  # so long a half-open target waits for a probe of ours, should that never come


class Care(msgspec.Struct, frozen=True, kw_only=True):
    """How one target's health is looked after. `paid_probes`: we ask it a small question before callers are sent there again."""

    breaking: Breaking = Breaking()
    ramp: Ramp = Ramp()
    rates: Rates = Rates()
    paid_probes: bool = False


class Health(msgspec.Struct, frozen=True):
    """`since`: what was sent before that went to another place of the same name, and says nothing about this one."""

    breaker: Breaker = Breaker()
    cooling: Cooling = Cooling()
    quota: Quota = UNKNOWN
    since: float = -math.inf


WELL = Health()


def after(health: Health, event: Event, now: float, care: Care) -> Health:
    """The health after the event; the very same object where nothing changed."""
    if event.since < health.since:
        return health
    breaker, cooling = step(health.breaker, event, now, care.breaking), health.cooling
    if event.kind in {"began", "answered"}:
        cooling = recovered(cooling, event.since)
    elif event.cool_s > 0:
        cooling = cooled(cooling, event.cool_s, now, asked=event.asked)
    if breaker is health.breaker and cooling is health.cooling:
        return health
    return Health(breaker, cooling, health.quota, health.since)


def seen(health: Health, here: TargetState, now: float, tokens: int, care: Care) -> TargetState:
    """`here`, which knows the load, with the health added, for one request of so many tokens."""
    if health is WELL:
        return here
    breaker, cooling = health.breaker, health.cooling
    state = phase(breaker, now)
    # Nobody is sent ahead of our own probe, unless that is overdue.
    awaited = care.paid_probes and state == "half_open" and now < breaker.until + _OWN_PROBE_S
    return TargetState(
        in_flight=here.in_flight, foreign=here.foreign, load=here.load,
        cooling_s=max(0.0, cooling.until - now), asked_s=max(0.0, cooling.asked_until - now),
        phase=state, open_s=breaker.until - now if state == "open" else 0.0, failures=breaker.failures,
        probing=state == "half_open" and (breaker.probe != 0 or awaited), share=share(care.ramp, now - breaker.recovered_at),
        quota_s=room_in(health.quota, tokens, now),
    )  # fmt: skip
