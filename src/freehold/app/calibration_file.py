"""`freehold.calibration.yaml`, beside the configuration: the constants of owned targets, as they were measured.

A calibration counts for the target it was made at: once its engine, address or model is another, it is no longer looked at.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from freehold.app.whole_file import write_whole
from freehold.core.errors import BadSettings
from freehold.core.target import Target
from freehold.plan.capacity.calibration.check import Check, Errors
from freehold.plan.capacity.calibration.fit import Fit, Interval
from freehold.plan.capacity.calibration.law import CONSTANTS, LatencyLaw

FILE_NAME = "freehold.calibration.yaml"
_LATER = frozenset({"apart_s"})  # files written before it was measured lack it; the law takes it as 0


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fitted value in seconds, and its 80 % interval."""

    value: float
    low80: float
    high80: float


class HeldOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Median errors (shares) on loads that the fit did not see."""

    requests: int
    ttft: float
    tpot: float
    total: float


class Calibrated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One target's constants: how they were found and when, on which machine, and what the engine said it is (None: nothing)."""

    source: str
    date: dt.date
    machine: str
    engine: str
    engine_version: str | None
    url: str
    model: str
    slots: int | None
    step_tokens: int
    constants: dict[str, Constant]
    held_out: HeldOut

    def is_about(self, target: Target) -> bool:
        """Whether the target is still the one that was measured."""
        return (self.engine, self.url, self.model) == (target.codec, target.url, target.model)

    def law(self) -> LatencyLaw:
        """The constants at work. Raises BadSettings where one is missing."""
        missing = [name for name in CONSTANTS if name not in self.constants and name not in _LATER]
        if missing:
            raise BadSettings(f"the calibration of {self.model} lacks {', '.join(missing)}; run 'freehold calibrate' again")
        values = {name: constant.value for name, constant in self.constants.items() if name in CONSTANTS}
        return LatencyLaw(**values, slots=self.slots, step_tokens=self.step_tokens)


class Calibrations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, by target."""

    version: Literal[1]
    targets: dict[str, Calibrated]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured where, for the record."""

    source: str
    machine: str
    engine: str
    engine_version: str | None
    url: str
    model: str


def calibrated(origin: Origin, fitted: Fit, checked: Check, today: dt.date) -> Calibrated:
    """What the file keeps of a fit and its check."""
    errors = Errors(*(round(error, 4) for error in checked.by_load))
    return Calibrated(
        source=origin.source, date=today, machine=origin.machine, engine=origin.engine, engine_version=origin.engine_version,
        url=origin.url, model=origin.model, slots=fitted.law.slots, step_tokens=fitted.law.step_tokens,
        constants={name: _constant(getattr(fitted.law, name), fitted.intervals[name]) for name in CONSTANTS},
        held_out=HeldOut(
            requests=sum(load.requests for load in checked.loads), ttft=errors.ttft, tpot=errors.tpot, total=errors.total
        ),
    )  # fmt: skip


def _constant(value: float, interval: Interval) -> Constant:
    """To four figures: more were not measured."""
    return Constant(*(float(f"{figure:.4g}") for figure in (value, interval.low80, interval.high80)))


def read_calibrations(config: Path) -> Mapping[str, Calibrated]:
    """The calibrations beside that configuration, by target; none where the file is not there. Raises BadSettings."""
    path = config.parent / FILE_NAME
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read {path}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadSettings(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return msgspec.convert(values, Calibrations).targets
    except msgspec.ValidationError as error:
        raise BadSettings(f"{path}: {error}; remove it, or have it written anew by 'freehold calibrate'") from None


def calibration_of(config: Path, target: Target) -> Calibrated | None:
    """That of this target, if it is still the one that was measured. Raises BadSettings."""
    found = read_calibrations(config).get(target.name)
    return found if found is not None and found.is_about(target) else None


def write_calibration(config: Path, target: str, made: Calibrated) -> Path:
    """Keep it beside the configuration with those of other targets; the path of the file. Raises BadSettings."""
    path = config.parent / FILE_NAME
    targets = dict(sorted({**read_calibrations(config), target: made}.items()))
    values = msgspec.to_builtins(Calibrations(1, targets), builtin_types=(dt.date,))
    write_whole(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path
