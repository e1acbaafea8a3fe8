"""A declared workload for those who have no trace: a YAML file, expanded to a day or week of requests, the same every time.

Times follow the daily profile, lengths a log-normal of the stated spread; totals match the declared tokens exactly.
"""

import math
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import yaml
from msgspec import Meta

from freehold.core.errors import BadSettings
from freehold.plan.demand.hours import MONDAY_S
from freehold.plan.demand.traffic import DAY_S, Floats, Ints, Traffic
from freehold.plan.owning.capacity import Precision
from freehold.plan.verdict.checklist import Evidence, Operator

MAX_REQUESTS = 8_000_000

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=1e15)]


class OwnSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The owned side; what is left out keeps the command's default."""

    model: str | None = None
    precision: Precision | None = None
    gpu: str | None = None
    gpu_count: Annotated[int, Meta(ge=1, le=1024)] | None = None
    provider: str | None = None
    hire_plan: str | None = None
    usd_per_hour: Annotated[Decimal, Meta()] | None = None
    prefill_tok_s: Positive | None = None
    decode_tok_s: Positive | None = None
    capex_usd: Positive | None = None
    dedicated_usd_h: Annotated[Decimal, Meta()] | None = None


class TermsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Terms of the comparison; what is left out keeps the command's default."""

    month_hours: Positive | None = None
    max_utilisation: Share | None = None
    people_fte: Annotated[float, Meta(ge=0)] | None = None
    salary_usd_year: Annotated[int, Meta(ge=0)] | None = None
    discount: Share | None = None
    batch_share: Share | None = None
    token_ratio: Positive | None = None
    prefix_reuse: Share | None = None
    growth_per_month: float | None = None
    spike: Positive | None = None
    budget_usd_month: Positive | None = None
    migration_usd: Annotated[float, Meta(ge=0)] | None = None
    opportunity_usd: Annotated[float, Meta(ge=0)] | None = None
    dual_running_months: Annotated[float, Meta(ge=0)] | None = None
    discount_rate: Annotated[float, Meta(ge=0)] | None = None
    horizon_months: Annotated[int, Meta(ge=1)] | None = None
    ranges: tuple[str, ...] = ()


class FleetSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Terms of the machines; what is left out keeps the command's default."""

    spare_machines: Annotated[int, Meta(ge=0)] | None = None
    zones: Annotated[int, Meta(ge=1)] | None = None
    crew_machines: Annotated[int, Meta(ge=0)] | None = None
    platform_usd_month: Annotated[float, Meta(ge=0)] | None = None
    storage_usd_gb_month: Annotated[float, Meta(ge=0)] | None = None
    egress_usd_gb: Annotated[float, Meta(ge=0)] | None = None
    restart_minutes: Annotated[float, Meta(ge=0)] | None = None
    scale_to_zero: bool | None = None
    reserved_1y_discount: Share | None = None
    reserved_3y_discount: Share | None = None


class Bursts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many times a day, at random, the rate is `factor` times the usual one for `minutes`."""

    per_day: Annotated[float, Meta(gt=0, le=1000)]
    minutes: Annotated[float, Meta(gt=0, le=720)]
    factor: Annotated[float, Meta(ge=1, le=1000)]


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the owned model held on the workload, on which day that was measured, over how many answers."""

    holds: bool
    measured_on: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    samples: Annotated[int, Meta(ge=1)] | None = None


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Give `daily_profile` (24 relative hourly rates) or `peak_to_mean` (one smooth daily wave), or neither.

    `weekend`: the rate of Saturday and Sunday against a working day's; with it a week is made, else one day. `evidence`: how the
    owned model did on the workload.
    """

    name: str
    about: str = ""
    tokens_per_day: Positive
    input_share: Annotated[float, Meta(ge=0, lt=1)]
    output_tokens_mean: Positive
    length_cv: Annotated[float, Meta(ge=0, le=10)] = 1.0
    cached_share: Share = 0.0
    sensitive_share: Share = 0.0
    arrivals: Literal["poisson", "even"] = "poisson"
    daily_profile: Annotated[tuple[Annotated[float, Meta(ge=0)], ...], Meta(min_length=24, max_length=24)] | None = None
    peak_to_mean: Annotated[float, Meta(ge=1, le=20)] | None = None
    weekend: Annotated[float, Meta(ge=0, le=10)] | None = None
    bursts: Bursts | None = None
    seed: Annotated[int, Meta(ge=0)] = 1
    rent: str | None = None
    hosted: tuple[str, ...] = ()
    own: OwnSection = OwnSection()
    terms: TermsSection = TermsSection()
    fleet: FleetSection = FleetSection()
    operator: Operator = Operator()
    evidence: Measured | None = None

    @property
    def proof(self) -> Evidence | None:
        """What the file says of the owned model's quality."""
        said = self.evidence
        if said is None:
            return None
        origin = "stated in the scenario"
        return Evidence(holds=said.holds, samples=said.samples, on=said.measured_on, source="user", origin=origin)

    def __post_init__(self) -> None:
        if self.daily_profile is not None and self.peak_to_mean is not None:
            raise ValueError("give daily_profile or peak_to_mean, not both")
        if self.daily_profile is not None and not sum(self.daily_profile):
            raise ValueError("daily_profile is all zero; give 24 relative rates")


def load_scenario(path: Path) -> Scenario:
    """Raises BadSettings in one line: the file, the field, what is wrong."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Scenario)
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read the scenario {path}: {error}") from None
    except yaml.YAMLError as error:
        raise BadSettings(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise BadSettings(f"{path}: {error}") from None


def shipped() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(file.name.removesuffix(".yaml") for file in _examples().iterdir() if file.name.endswith(".yaml"))


def find_scenario(name: str) -> Scenario:
    """A shipped scenario by its name, or the file at that path. Raises BadSettings."""
    file = _examples() / f"{name}.yaml"
    if Path(name).suffix or not file.is_file():
        if not Path(name).suffix and not Path(name).is_file():
            raise BadSettings(f"no scenario {name!r}; shipped are {', '.join(shipped())}, or give a .yaml file")
        return load_scenario(Path(name))
    with resources.as_file(file) as path:
        return load_scenario(path)


def _examples() -> Traversable:
    return resources.files("freehold.plan") / "examples"


def expand(scenario: Scenario) -> Traffic:
    """One day of requests, midnight to midnight, or seven from Monday on. Raises BadSettings on too few or too many."""
    days = 1 if scenario.weekend is None else 7
    tokens_out = scenario.tokens_per_day * (1 - scenario.input_share) * days
    count = round(tokens_out / scenario.output_tokens_mean)
    if not 2 <= count <= MAX_REQUESTS:
        raise BadSettings(
            f"scenario {scenario.name} makes {count:,} requests in {days} day{'s' if days > 1 else ''}, outside 2 to "
            f"{MAX_REQUESTS:,}; change tokens_per_day or output_tokens_mean, leave out weekend, or split the workload"
        )
    random = np.random.default_rng(scenario.seed)
    even = (np.arange(count) + 0.5) / count
    places = even if scenario.arrivals == "even" else np.sort(random.random(count))
    inputs = _lengths(scenario.tokens_per_day * scenario.input_share * days, count, scenario.length_cv, random)
    return Traffic(
        time_s=np.interp(places, *_arrival_share(scenario, days)),
        input_tokens=inputs,
        cache_read=(inputs * scenario.cached_share).astype(np.int64),
        output_tokens=_lengths(tokens_out, count, scenario.length_cv, random),
        sensitive=random.random(count) < scenario.sensitive_share,
        span_s=days * DAY_S,
        start_s=MONDAY_S,
        declared=True,
    )


def _arrival_share(scenario: Scenario, days: int) -> tuple[Floats, Floats]:
    """Cumulative share of the requests at each minute, and the minutes in seconds."""
    minutes = np.arange(1440)
    if scenario.daily_profile is not None:
        day = np.array(scenario.daily_profile)[minutes // 60]
    else:
        day = _wave(scenario.peak_to_mean or 1.0, minutes / 1440)
    weekend = 1.0 if scenario.weekend is None else scenario.weekend
    rate = np.concatenate([day * (weekend if number >= 5 else 1.0) for number in range(days)])
    if scenario.bursts is not None:
        rate *= _burst_factor(scenario.bursts, len(rate), np.random.default_rng([scenario.seed, 1]))
    share = np.concatenate(([0.0], np.cumsum(rate) / rate.sum()))
    return share, np.linspace(0.0, days * DAY_S, len(rate) + 1)


def _burst_factor(bursts: Bursts, minutes: int, random: np.random.Generator) -> Floats:
    """1, and in each burst's minutes its factor; bursts begin at random minutes."""
    factor = np.ones(minutes)
    for start in random.integers(0, minutes, max(1, round(bursts.per_day * minutes / 1440))):
        factor[start : start + max(1, round(bursts.minutes))] = bursts.factor
    return factor


def _wave(peak_to_mean: float, day: Floats) -> Floats:
    """exp(a cos) peaking at 15:00, with the `a` whose peak over mean, e^a / I0(a), is the one asked for."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if math.exp(middle) / float(np.i0(middle)) > peak_to_mean else (middle, high)
    wave: Floats = np.exp(low * (np.cos(2 * np.pi * (day - 15 / 24)) - 1))
    return wave


def _lengths(total: float, count: int, cv: float, random: np.random.Generator) -> Ints:
    """Whole token counts of that total and spread; rounding the running sum keeps the total exact."""
    sigma2 = math.log1p(cv * cv)
    spread = random.lognormal(-sigma2 / 2, math.sqrt(sigma2), count)
    running = np.rint(np.cumsum(spread) * (total / spread.sum()))
    lengths: Ints = np.diff(running, prepend=0.0).astype(np.int64)
    return lengths
