"""What was measured of a configuration's owned targets, for `size`, `predict` and `plan`; of another place it does not count."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from freehold.app import config_file
from freehold.app.calibration_file import Calibrated, calibration_of, read_calibrations
from freehold.app.config_file import ConfigFile
from freehold.app.hiring import hire
from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.core.target import Target
from freehold.plan.capacity.calibration.check import Errors
from freehold.plan.capacity.measured import Measured


def measured_target(config: Path, name: str, facts: Facts) -> Measured:
    """The target as it was measured. Raises BadSettings where it is none of ours, or no calibration of it counts."""
    file = config_file.load(config)
    target = _owned(file, name, facts)
    if target is None:
        owned = ", ".join(other for other, spec in file.settings.targets.items() if spec.engine) or "none"
        raise BadSettings(f"no owned target {name!r} in {config}; it has {owned}")
    found = calibration_of(config, target)
    if found is None:
        kept = read_calibrations(config).get(name)
        why = "has not been calibrated" if kept is None else _passed_over(kept)
        raise BadSettings(
            f"target {name} {why}; run 'freehold calibrate --target {name}', or ask the catalogue: --model in place of --target"
        )
    return _measured(file, target, found, facts)


def measured_targets(config: Path, facts: Facts) -> tuple[list[Measured], list[str]]:
    """All owned targets with a machine whose calibration counts, and a line on each whose no longer does. Raises BadSettings."""
    kept = read_calibrations(config)
    found: list[Measured] = []
    passed_over: list[str] = []
    if not kept:
        return found, passed_over
    file = config_file.load(config)
    for name in file.settings.targets:
        target = _owned(file, name, facts) if name in kept else None
        if target is None or target.hardware is None:
            continue
        if kept[name].is_about(target):
            found.append(_measured(file, target, kept[name], facts))
        else:
            passed_over.append(f"target {name} {_passed_over(kept[name])}; its calibration is not used")
    return found, passed_over


def _owned(file: ConfigFile, name: str, facts: Facts) -> Target | None:
    """What of a target matters here, without its credential, which nobody is asked with."""
    spec = file.settings.targets.get(name)
    if spec is None or spec.engine is None:
        return None
    return Target(
        name=name, kind="owned", codec=spec.engine, url=spec.url or "", model=spec.model, clearance=spec.clearance,
        context_tokens=spec.context_tokens, concurrency=spec.concurrency,
        hardware=None if spec.cost is None else hire(file, name, spec.cost, facts),
    )  # fmt: skip


def _passed_over(kept: Calibrated) -> str:
    return f"is no longer what was calibrated on {kept.date}: {kept.engine} with {kept.model} at {kept.url}"


def _measured(file: ConfigFile, target: Target, kept: Calibrated, facts: Facts) -> Measured:
    cost, hardware = file.settings.targets[target.name].cost, target.hardware
    if hardware is not None:
        hardware = msgspec.structs.replace(hardware, gpu=_filed(lambda name: facts.gpu(name).gpu, hardware.gpu))
    return Measured(
        target=target.name, model=_filed(lambda name: facts.model(name).model, target.model.partition("@")[0]), law=kept.law(),
        missed=Errors(ttft=kept.held_out.ttft, tpot=kept.held_out.tpot, total=kept.held_out.total), machine=kept.machine,
        date=kept.date.isoformat(), source=kept.source, hardware=hardware, gpus=1 if cost is None else cost.count,
        concurrency=target.concurrency, context_tokens=target.context_tokens,
    )  # fmt: skip


def _filed(find: Callable[[str], str], own: str) -> str:
    """The name under which the catalogue has it, or its own: what was measured need not be in any table."""
    try:
        return find(own)
    except BadSettings:
        return own
