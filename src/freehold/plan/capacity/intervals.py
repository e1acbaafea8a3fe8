"""How far a prediction may be off: the spread of curves left out of the fit, wider where no published curve is near."""

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.rules.steptime.work import Work

# An interval's half-width, in logarithms, grows by this for each thing about a family that no published curve has.
WIDER = 1.6


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What the constants of a prediction depend on."""

    work: str
    arch: str
    precision: str
    engine: str

    @property
    def name(self) -> str:
        """One word, as efficiency.yaml lists it."""
        return "/".join((self.work, self.arch, self.precision, self.engine))

    @property
    def parts(self) -> tuple[str, str]:
        """What coverage is judged by: the arithmetic on that architecture, and the engine."""
        return f"{self.work} {self.precision} on {self.arch}", f"{self.work} on {self.engine}"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The middle and the 80 % interval of what a prediction stands for, and a plain word on what it rests on."""

    middle: float
    low80: float
    high80: float
    words: str


def work_kind(work: Work) -> str:
    """`dense` or `moe`."""
    return "moe" if work.experts else "dense"


def scenario_kind(scenario: str) -> str:
    """What a table's scenario means for speed: offline, server, interactive or closed-loop (a stated concurrency)."""
    for kind in ("interactive", "server", "closed-loop"):
        if kind in scenario:
            return kind
    return "offline"


def judge(predicted: float, family: Family, scenario: str, fitted: Fitted) -> Judged:
    """The interval around a figure of the model.

    Offline figures stand as they are. With a promise on latency the model's figure, which knows none, is multiplied by the
    median of truth over prediction of published rows with such a promise.
    """
    kind = scenario_kind(scenario)
    spread = fitted.spreads[f"offline {family.work}" if kind == "offline" else kind]
    middle = predicted if kind == "offline" else predicted * spread.middle
    missing = _missing(family, fitted.covered)
    wider = WIDER ** len(missing)
    low = min(1.0, predicted * spread.low / middle) ** wider
    high = max(1.0, predicted * spread.high / middle) ** wider
    words = f"published curves cover {' and '.join(family.parts)}"
    if missing:
        words = f"no published curve of {' or of '.join(missing)}: the interval is widened"
    return Judged(middle=middle, low80=middle * low, high80=middle * high, words=words)


def _missing(family: Family, covered: tuple[str, ...]) -> list[str]:
    seen = {part for name in covered for part in _family(name).parts}
    return [part for part in family.parts if part not in seen]


def _family(name: str) -> Family:
    work, arch, precision, engine = name.split("/")
    return Family(work=work, arch=arch, precision=precision, engine=engine)
