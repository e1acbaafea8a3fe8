"""The checklist's vocabulary: what the money says, what people say, what was measured, and the judgement made of the three.

The six questions are in `questions.py`, their order of precedence in `verdict.py`.
"""

from typing import Literal, TypeAlias

import msgspec

from freehold.plan.inputs import Source

Verdict: TypeAlias = Literal["rent", "shadow first", "own base + rent peak", "own", "return to rent"]
Cheapest: TypeAlias = Literal["rent", "own base, rent peak", "own"]
Reply: TypeAlias = Literal["yes", "no", "unknown"]

LIKELY, EVEN, UNLIKELY = 0.8, 0.5, 0.2
PINNED_MONTHS = 12
MOSTLY = 0.5


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the owned model was good enough on this workload. `on`: the day, ISO; `samples`: answers compared, where counted;
    `source`: measured is a gate's verdict, user is a person's word."""

    holds: bool
    samples: int | None
    on: str
    source: Source
    origin: str


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """What the data cannot know; None: not answered. `hard_constraint`: nothing of the workload may be rented."""

    hard_constraint: bool | None = None
    pinned_months: int | None = None
    operations: bool | None = None
    ship_this_week: bool | None = None
    product_market_fit: bool | None = None


class Host(msgspec.Struct, frozen=True):
    """A hosted API of the owned model, and this workload's bill there."""

    label: str
    nanousd_month: int


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What the money says of one workload.

    `cheapest`, `best_nanousd_month`, `replicas` and `spilled_share` (of the work) are the cheapest mix at the stated figures,
    `rented_nanousd_month` and `own_nanousd_month` the two ends. `rent_allowed`: False where requests exist that may not be
    rented, `sensitive_share` of all. `daily_peak_to_mean`: busiest hour over mean hour, None below a day of traffic.
    `first_tokens_per_day`: from where owning some pays, None where never. `cheaper_host`: one that beats everything owned.
    `owned_share_now`: of the requests answered today, by owned targets; None where no ledger says. `turning`: a sentence for
    each input that alone turns the answer. `traffic_source`: measured, or user where the traffic was declared.
    """

    cheapest: Cheapest
    p_owning_wins: float
    rent_allowed: bool
    sensitive_share: float
    peak_to_mean_60s: float
    daily_peak_to_mean: float | None
    tokens_per_day: float
    first_tokens_per_day: float | None
    best_nanousd_month: int
    rented_nanousd_month: int
    own_nanousd_month: int
    cheaper_host: Host | None
    people_fte: float
    owned_share_now: float | None
    spilled_share: float
    replicas: int
    turning: list[str]
    seen_days: float
    traffic_source: Source

    @property
    def host(self) -> Host | None:
        """The cheaper host, where this workload may go there at all."""
        return self.cheaper_host if self.rent_allowed else None

    @property
    def owned_now(self) -> bool:
        """Whether most of it is owned already."""
        return self.owned_share_now is not None and self.owned_share_now > MOSTLY


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the checklist: its answer, who says so and why, and what that does to the verdict."""

    number: int
    question: str
    answer: Reply
    source: Source
    reason: str
    effect: str


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict for one workload. `settled_by`: the number of the deciding step; `changes`: what would change the answer."""

    verdict: Verdict
    headline: str
    settled_by: int
    steps: list[Step]
    reasons: list[str]
    changes: list[str]
