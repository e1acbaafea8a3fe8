"""What a tighter or a looser promise costs: the cheapest answer again, at multiples of both promised times."""

from collections.abc import Callable

import msgspec

from freehold.plan.capacity.sizing.size import Ground, Sizing, size

TIMES = (0.25, 0.5, 1.0, 2.0, 4.0)
# On how many of the GPUs that were cheapest under the promise as it is: others take as long to simulate and seldom win.
_GPUS = 4


class Promised(msgspec.Struct, frozen=True, kw_only=True):
    """Both promised times `times` as long, and the least it costs a month; None where nothing tried keeps it."""

    times: float
    nanousd_month: int | None


def by_promise(made: Sizing, ground: Ground, tell: Callable[[], None] = lambda: None) -> list[Promised]:
    """The cheapest answer at each of TIMES, on the GPUs that were cheapest; `tell` hears of each."""
    gpus = tuple(dict.fromkeys(one.gpu for one in made.configurations if one.prices))[:_GPUS]
    promise, found = made.asked.promise, []
    for times in TIMES:
        scaled = msgspec.structs.replace(promise, ttft_s=times * promise.ttft_s, tpot_s=times * promise.tpot_s)
        asked = msgspec.structs.replace(made.asked, gpus=gpus, promise=scaled)
        best = (made if times == 1 else size(asked, ground, steps=False)).cheapest if gpus or ground.measured else None
        found.append(Promised(times=times, nanousd_month=best.nanousd_month if best else None))
        tell()
    return found
