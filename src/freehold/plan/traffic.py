"""The requests of one workload as columns, and what they say: volume, input share, peaks, dispersion, sensitive share.

Span: n requests seen from the first to the last cover n/(n-1) of that time, because the last one's gap is not seen.
A short span is extrapolated to the month as it is, and the plan says so; nothing is invented for hours nobody saw.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAY_S = 86_400.0
LONGEST_SPAN_S = 400 * DAY_S
MAX_REQUEST_TOKENS = 50_000_000


class TrafficRow(msgspec.Struct, frozen=True):
    """One request as the plan needs it. `stands_for`: Unix seconds; `cache_read` is part of `input_tokens`."""

    stands_for: float
    workload: str
    data_class: str
    input_tokens: int
    cache_read: int
    output_tokens: int


class TrafficSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed. Shares are 0-1 of tokens, `sensitive_share` of requests; peaks compare requests per window."""

    requests: int
    span_s: float
    tokens_per_day: float
    input_share: float
    cached_share: float
    mean_input_tokens: float
    mean_output_tokens: float
    peak_to_mean_10s: float
    peak_to_mean_60s: float
    interarrival_cv: float
    sensitive_share: float


@dataclass(frozen=True, eq=False)
class Traffic:
    """Requests of one workload, sorted by time, one row each; `time_s` counts from the start of the span. `declared`: made from a
    scenario, not observed."""

    time_s: Floats
    input_tokens: Ints
    cache_read: Ints
    output_tokens: Ints
    sensitive: Flags
    span_s: float
    declared: bool = False

    def __post_init__(self) -> None:
        if len(self.time_s) == 0:
            raise BadSettings("the traffic is empty; a plan needs at least two requests at different times")
        tokens = self.input_tokens + self.output_tokens
        if min(self.input_tokens.min(), self.output_tokens.min(), self.cache_read.min()) < 0:
            raise BadSettings("the traffic has a negative token count; give counts of 0 or more")
        if tokens.max() > MAX_REQUEST_TOKENS:
            raise BadSettings(f"one request has {tokens.max():,} tokens; no model takes that many, check the trace's columns")
        if tokens.sum() == 0:
            raise BadSettings("the traffic has no tokens at all; give requests with input or output tokens")
        if (self.cache_read > self.input_tokens).any():
            raise BadSettings("the traffic has more cached tokens than input tokens in a request; cached is part of input")
        if not np.isfinite(self.span_s) or self.span_s <= 0:
            raise BadSettings("all requests of the traffic have the same time; a plan needs at least two different times")

    @property
    def tokens_per_day(self) -> float:
        """Input plus output tokens, at the observed rate."""
        return float(self.input_tokens.sum() + self.output_tokens.sum()) / self.span_s * DAY_S

    def windows(self, length_s: float = 10.0) -> tuple[Ints, int]:
        """The window each request falls in, and how many there are. Windows tile the span exactly: they are stretched or
        shrunk by the little that is needed (under 5 % from ten windows on)."""
        count = max(1, round(self.span_s / length_s))
        index = (self.time_s * (count / self.span_s)).astype(np.int64)
        return np.minimum(index, count - 1), count

    def peak_to_mean(self, length_s: float) -> float:
        """Requests in the fullest window over requests in the mean window."""
        index, count = self.windows(length_s)
        return float(np.bincount(index, minlength=count).max() * count / len(index))

    def summary(self) -> TrafficSummary:
        """Everything the plan shows about the traffic."""
        tokens_in, tokens_out = int(self.input_tokens.sum()), int(self.output_tokens.sum())
        gaps = np.diff(self.time_s)
        mean_gap = float(gaps.mean()) if len(gaps) else 0.0
        return TrafficSummary(
            requests=len(self.time_s),
            span_s=self.span_s,
            tokens_per_day=self.tokens_per_day,
            input_share=tokens_in / (tokens_in + tokens_out),
            cached_share=float(self.cache_read.sum()) / max(tokens_in, 1),
            mean_input_tokens=tokens_in / len(self.time_s),
            mean_output_tokens=tokens_out / len(self.time_s),
            peak_to_mean_10s=self.peak_to_mean(10.0),
            peak_to_mean_60s=self.peak_to_mean(60.0),
            interarrival_cv=float(gaps.std()) / mean_gap if mean_gap > 0 else 0.0,
            sensitive_share=float(self.sensitive.mean()),
        )

    def unseen(self) -> str | None:
        """What the span cannot show, in one line for people; None from a week on."""
        if self.span_s >= 7 * DAY_S * 0.99:
            return None
        seen = "weekly shape" if self.span_s >= DAY_S * 0.99 else "daily shape"
        return f"{'declared' if self.declared else 'observed'} {self.span_text}, extrapolated to a month; {seen} not in the data"

    @property
    def span_text(self) -> str:
        """The span for people, e.g. '58.4 minutes'."""
        for unit, length in (("days", DAY_S), ("hours", 3600.0), ("minutes", 60.0)):
            if self.span_s >= 2 * length:
                return f"{self.span_s / length:.1f} {unit}"
        return f"{self.span_s:.0f} seconds"


def traffic_from_rows(rows: Iterable[TrafficRow], rented_clearance: DataClass) -> Traffic:
    """The traffic of one workload. A request above the rented target's clearance is sensitive: it may not be rented.

    Raises BadSettings on no rows, one moment only, negative counts or an unknown data class.
    """
    ordered = sorted(rows, key=lambda row: row.stands_for)
    if not ordered:
        raise BadSettings("the traffic is empty; a plan needs at least two requests at different times")
    time_s = np.array([row.stands_for for row in ordered], dtype=np.float64)
    if not np.isfinite(time_s).all():
        raise BadSettings("the traffic has a time that is no finite number; give Unix seconds")
    if time_s[-1] - time_s[0] > LONGEST_SPAN_S:
        first, last = (dt.datetime.fromtimestamp(t, dt.UTC).date() for t in (time_s[0], time_s[-1]))
        raise BadSettings(
            f"the traffic reaches from {first} to {last}; plan at most 400 days at once (different traces in one ledger?)"
        )
    count = len(ordered)
    try:
        above = {name: DataClass.parse(name) > rented_clearance for name in {row.data_class for row in ordered}}
        tokens = np.array([(row.input_tokens, row.cache_read, row.output_tokens) for row in ordered], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise BadSettings(f"the traffic cannot be read: {error}") from None
    return Traffic(
        time_s=time_s - time_s[0],
        input_tokens=tokens[:, 0],
        cache_read=tokens[:, 1],
        output_tokens=tokens[:, 2],
        sensitive=np.array([above[row.data_class] for row in ordered], dtype=np.bool_),
        span_s=float(time_s[-1] - time_s[0]) * count / max(count - 1, 1),
    )
