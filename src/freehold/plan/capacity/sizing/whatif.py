"""What-ifs: the same question with one thing changed, on the GPU and at the precision of the cheapest answer."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.sizing.fewest import faster
from freehold.plan.capacity.sizing.size import Asked, Configuration, Ground, Sizing, size
from freehold.rules.steptime.work import FORMATS, precision_name

# Where the number of zones is not stated, one of three is lost.
_ZONES = 3
_HOW = "a precision such as fp8, gpu=H200, engine=vllm, prompts=x1.5, traffic=x2, or zones=-1"


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """One change, its cheapest answer, and how many nano-dollars a month that is above (below: under 0) the base."""

    change: str
    cheapest: Configuration | None
    more_nanousd_month: int | None


class Change(msgspec.Struct, frozen=True):
    """A change as it was written, split."""

    text: str
    name: str
    value: str


def changes(text: str) -> list[Change]:
    """The changes of a list such as `fp8,gpu=H200,traffic=x2`. Raises BadSettings naming what is none."""
    made = []
    for part in (part.strip() for part in text.split(",")):
        name, equals, value = part.partition("=")
        known = name in {"gpu", "engine", "prompts", "traffic", "zones"} if equals else name in FORMATS
        if not known:
            raise BadSettings(f"what-if {part!r} is no change; write {_HOW}")
        made.append(Change(part, name, value) if equals else Change(part, "precision", precision_name(name)))
    return made


def what_if(base: Sizing, asked: Sequence[Change], ground: Ground, tell: Callable[[str], None] = lambda _: None) -> list[WhatIf]:
    """The answer to each change, in order. Raises BadSettings on a change that cannot be, or where the base has no answer."""
    best = base.cheapest
    if best is None:
        raise BadSettings("nothing keeps the promise, so there is no base to change; allow more --replicas-max or more time")
    start = msgspec.structs.replace(base.asked, gpus=(best.gpu,), precisions=(best.precision,))
    cases = [(change, *_changed(change, start, ground)) for change in asked]
    found = []
    for change, question, there in cases:
        tell(change.text)
        cheapest = size(question, there).cheapest
        more = None
        if cheapest is not None and cheapest.nanousd_month is not None and best.nanousd_month is not None:
            more = cheapest.nanousd_month - best.nanousd_month
        found.append(WhatIf(change=change.text, cheapest=cheapest, more_nanousd_month=more))
    return found


def _changed(change: Change, asked: Asked, ground: Ground) -> tuple[Asked, Ground]:
    """The question after the change, and the ground it then stands on."""
    if ground.measured is not None and change.name in {"precision", "gpu", "engine"}:
        raise BadSettings(
            f"what-if {change.text!r}: {ground.measured.target} was measured as it is and says nothing of another; size its "
            "model from the catalogue with --model in place of --target"
        )
    if change.name == "precision":
        return msgspec.structs.replace(asked, precisions=(change.value,)), ground
    if change.name == "gpu":
        return msgspec.structs.replace(asked, gpus=(ground.facts.gpu(change.value).gpu,)), ground
    if change.name == "engine":
        return msgspec.structs.replace(asked, engine=ground.fitted.engine(change.value)), ground
    if change.name == "zones":
        if change.value != "-1":
            raise BadSettings(f"what-if {change.text!r}: one zone may be lost; write zones=-1")
        zones = asked.hire.zones if asked.hire.zones > 1 else _ZONES
        return msgspec.structs.replace(asked, hire=msgspec.structs.replace(asked.hire, zones=zones)), ground
    times = _times(change)
    arrivals = faster(ground.arrivals, times) if change.name == "traffic" else longer(ground.arrivals, times)
    return asked, dataclasses.replace(ground, arrivals=arrivals)


def longer(arrivals: Arrivals, times: float) -> Arrivals:
    """The same requests with inputs so many times as long, one token at least; what prefix blocks name stays as it is."""
    return Arrivals(
        at_s=arrivals.at_s,
        input_tokens=(arrivals.input_tokens * times).round().clip(1).astype("int64"),
        output_tokens=arrivals.output_tokens,
        sensitive=arrivals.sensitive,
        prefix_counts=arrivals.prefix_counts,
        prefix_ids=arrivals.prefix_ids,
    )


def _times(change: Change) -> float:
    text = change.value.removeprefix("x")
    try:
        times = float(text)
    except ValueError:
        times = math.nan
    if not 0.01 <= times <= 100:
        raise BadSettings(f"what-if {change.text!r}: give a multiple from x0.01 to x100, such as {change.name}=x2")
    return times
