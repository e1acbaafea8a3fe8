"""From the step-time model to the table of terms that the simulator runs: exact for dense models, close for experts.

What is affine is read off the model itself, at two points each, so that both stay one formula. The curve of the experts is laid
through powers of two. How far apart the two are: tests/plan/test_steplaw.py and docs/explain/capacity.md.
"""

from collections.abc import Callable, Sequence

import msgspec

from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.rules.steptime.step import StepTime

# The rising end of the experts' curve may borrow so much of the fixed time of a step, which keeps every step above 0 s.
_BORROWED = 0.9


def step_law(step: StepTime, most_tokens: int) -> StepLaw:
    """The law of one copy for steps of up to `most_tokens`."""
    host, link = step.parts(0.0, 1.0, 0.0, 0.0).host, step.parts(1.0, 0.0, 0.0, 0.0).link
    per_sequence = step.parts(0.0, 2.0, 0.0, 0.0).host - host
    per_token = step.parts(2.0, 0.0, 0.0, 0.0).link - link
    fixed, serial = _least(host - per_sequence), _least(link - per_token)
    experts: tuple[Group, ...] = ()
    if step.work.experts:
        experts, lent = _experts(step, most_tokens, _BORROWED * (fixed + serial))
        fixed, serial = fixed + serial - lent, 0.0
    alone = Term(fixed_s=fixed + serial, prefill_s=_least(per_token), sequence_s=_least(per_token + per_sequence))
    return StepLaw((Group((alone,)), _dense(step), *experts, *_attention(step), *_cache(step)))


def _dense(step: StepTime) -> Group:
    """What every token uses: arithmetic and reading, the longer one and what of the other does not hide behind it."""
    plain, shown = _without_experts(step), 1 - step.efficiency.overlap  # a fitted overlap is below 1
    prompt, decode = plain.parts(1.0, 0.0, 0.0, 0.0), plain.parts(0.0, 1.0, 0.0, 0.0)
    token_s, head_s = prompt.compute / shown, decode.compute / shown
    read = prompt.memory
    return Group(
        (
            Term(fixed_s=read, prefill_s=shown * token_s, sequence_s=shown * head_s),
            Term(fixed_s=shown * read, prefill_s=token_s, sequence_s=head_s),
        )
    )


def _experts(step: StepTime, most_tokens: int, spare_s: float) -> tuple[tuple[Group, ...], float]:
    """The experts' seconds by tokens, and how many of `spare_s` must be left out elsewhere, because a term is never below 0.

    Few tokens touch few experts, so the curve first flattens: the shortest of its chords. Where arithmetic overtakes reading it
    rises again: the longer of a constant, which is lent, and a line through its end.
    """
    plain = _without_experts(step)

    def seconds(tokens: float) -> float:
        whole, rest = step.parts(tokens, 0.0, 0.0, 0.0), plain.parts(tokens, 0.0, 0.0, 0.0)
        return whole.compute + whole.memory - rest.compute - rest.memory

    places = _places(most_tokens)
    slopes = _slopes(seconds, places)
    flattening = [min(slopes[: number + 1]) for number in range(len(slopes))]
    terms, height = [], 0.0
    for start, end, slope in zip(places, places[1:], flattening, strict=False):
        terms.append(Term(fixed_s=_least(height - slope * start), prefill_s=slope, sequence_s=slope))
        height += slope * (end - start)
    shape = (Group(tuple(terms), "min"),)
    missing = seconds(places[-1]) - height
    knee = next((start for start, slope, flat in zip(places, slopes, flattening, strict=False) if slope > flat * 1.001), None)
    if knee is None or missing <= 0:
        return shape, 0.0
    lent = min(spare_s, missing * knee / (places[-1] - knee))
    rise = (missing + lent) / places[-1]
    return (*shape, Group((Term(fixed_s=lent), Term(prefill_s=rise, sequence_s=rise)))), lent


def _attention(step: StepTime) -> tuple[Group, ...]:
    """A chunk's attention: all pairs in wide layers, the nearest in those with a window."""
    window = step.work.window
    wide, near = _bent(lambda pairs: step.parts(1.0, 0.0, 0.0, pairs).attention, window)
    return (
        Group((Term(pair_s=wide),)),
        *((Group((Term(pair_s=near), Term(prefill_s=near * window)), "min"),) if near else ()),
    )


def _cache(step: StepTime) -> tuple[Group, ...]:
    """Reading the cache: all of it in wide layers, up to the window in the others."""
    window = step.work.window
    wide, near = _bent(lambda context: step.parts(0.0, 1.0, context, 0.0).kv, window)
    return (
        Group((Term(context_s=wide),)),
        *((Group((Term(context_s=near), Term(sequence_s=near * window)), "min"),) if near else ()),
    )


def _bent(seconds: Callable[[float], float], window: float) -> tuple[float, float]:
    """Seconds each more costs beyond the window, and how many more before it."""
    inside = seconds(window)
    beyond = (seconds(2 * window) - inside) / window
    near = inside / window - beyond
    return _least(beyond), near if near > 1e-9 * beyond else 0.0


def _without_experts(step: StepTime) -> StepTime:
    return msgspec.structs.replace(step, work=msgspec.structs.replace(step.work, experts=0))


def _places(most: int) -> list[float]:
    places = [0.0, 1.0]
    while places[-1] < most:
        places.append(min(2 * places[-1], float(most)))
    return places


def _slopes(seconds: Callable[[float], float], places: Sequence[float]) -> list[float]:
    values = [0.0, *(seconds(place) for place in places[1:])]
    return [_least((values[n + 1] - values[n]) / (places[n + 1] - places[n])) for n in range(len(places) - 1)]


def _least(seconds: float) -> float:
    """Differences of equal sums may come out a rounding below 0."""
    return max(0.0, seconds)
