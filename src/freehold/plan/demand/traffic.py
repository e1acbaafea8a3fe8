"""The requests of one workload as columns, and what they say: volume, input share, peaks, dispersion, sensitive share.

Span: n requests seen from the first to the last cover n/(n-1) of that time, because the last one's gap is not seen.
A short span is extrapolated to the month as it is, and the plan says so; nothing is invented for hours nobody saw.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.usage import Bucket

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.integer[Any]]

DAY_S = 86_400.0
LONGEST_SPAN_S = 400 * DAY_S
MAX_REQUEST_TOKENS = 50_000_000

# The buckets beyond what is neither cached nor thought nor heard, and the column of every request whose tokens each is among.
KINDS: Mapping[Bucket, Bucket] = {
    "cache_write": "input", "cache_write_1h": "input", "input_audio": "input", "cache_read_audio": "cache_read",
    "reasoning": "output", "output_audio": "output",
}  # fmt: skip

_FARTHEST_S = 6e10  # some 1,900 years: what a calendar can name on both sides of 1970
_EMPTY = "the traffic is empty; a plan needs at least two requests at different times"


class TrafficRow(msgspec.Struct, frozen=True):
    """One request as the plan needs it. `stands_for`: Unix seconds; `cache_read` is part of `input_tokens`; `kinds`: how much of
    the tokens is in which of KINDS, no token in two of them."""

    stands_for: float
    workload: str
    data_class: str
    input_tokens: int
    cache_read: int
    output_tokens: int
    kinds: Mapping[Bucket, int] = {}


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
    """Requests of one workload, sorted by time, one row each; `time_s` counts from the start of the span, which lies at `start_s`
    in Unix seconds. `declared`: made from a scenario, not observed, and then it starts at 0. `kinds`: those of KINDS that hold
    anything."""

    time_s: Floats
    input_tokens: Ints
    cache_read: Ints
    output_tokens: Ints
    sensitive: Flags
    span_s: float
    declared: bool = False
    start_s: float = 0.0
    kinds: Mapping[Bucket, Ints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.time_s) == 0:
            raise BadSettings(_EMPTY)
        if min(self.input_tokens.min(), self.output_tokens.min(), self.cache_read.min()) < 0:
            raise BadSettings("the traffic has a negative token count; give counts of 0 or more")
        most = int(max(self.input_tokens.max(), self.output_tokens.max()))
        if most <= MAX_REQUEST_TOKENS:  # or else 64 bits may not hold the sum of both
            most = int((self.input_tokens + self.output_tokens).max())
        if most > MAX_REQUEST_TOKENS:
            raise BadSettings(f"one request has {most:,} tokens; no model takes that many, check the trace's columns")
        if most == 0:
            raise BadSettings("the traffic has no tokens at all; give requests with input or output tokens")
        if (self.cache_read > self.input_tokens).any():
            raise BadSettings("the traffic has more cached tokens than input tokens in a request; cached is part of input")
        if self.kinds and min(int(tokens.min()) for tokens in self.buckets().values()) < 0:
            raise BadSettings("the traffic has more tokens of a kind in a request than of those they are part of")
        if not np.isfinite(self.span_s) or self.span_s <= 0:
            raise BadSettings("all requests of the traffic have the same time; a plan needs at least two different times")

    def buckets(self) -> dict[Bucket, Ints]:
        """Every token in exactly one bucket, as `Usage.buckets` cuts them; those that hold nothing anywhere may be missing."""
        wholes: dict[Bucket, Ints] = {
            "input": self.input_tokens - self.cache_read, "cache_read": self.cache_read, "output": self.output_tokens,
        }  # fmt: skip
        for kind, tokens in self.kinds.items():
            wholes[KINDS[kind]] = wholes[KINDS[kind]] - tokens
        return wholes | dict(self.kinds)

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


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests of one workload as they were read, one row each, in any order. `unix_s`: the time a request stands for;
    `data_class`: its place in `classes`, the names as they were found; `cache_read` is part of `input_tokens`; `kinds`: those of
    KINDS that hold anything.

    Whole numbers are as wide as they need to be; a `Traffic` made of them has 64 bits.
    """

    unix_s: Floats
    data_class: Whole
    classes: tuple[str, ...]
    input_tokens: Whole
    cache_read: Whole
    output_tokens: Whole
    kinds: Mapping[Bucket, Whole] = field(default_factory=dict)

    @property
    def one_moment(self) -> bool:
        """Whether all of them stand for the same time, so that they have no rate."""
        return bool((self.unix_s == self.unix_s[:1]).all())

    def traffic(self, rented_clearance: DataClass) -> Traffic:
        """As the plan takes them: sorted by time, those of one time in the order they were read. A request above the rented
        target's clearance is sensitive: it may not be rented.

        Raises BadSettings on no rows, one moment only, negative counts or an unknown data class.
        """
        if not len(self.unix_s):
            raise BadSettings(_EMPTY)
        first_s, last_s = float(self.unix_s.min()), float(self.unix_s.max())
        if not np.isfinite((first_s, last_s)).all():  # both are NaN where one time is
            raise BadSettings("the traffic has a time that is no finite number; give Unix seconds")
        if max(-first_s, last_s) > _FARTHEST_S:
            raise BadSettings(f"the traffic has a time {max(-first_s, last_s):,.0f} s away from 1970; give Unix seconds")
        if last_s - first_s > LONGEST_SPAN_S:
            first, last = (dt.datetime.fromtimestamp(t, dt.UTC).date() for t in (first_s, last_s))
            raise BadSettings(
                f"the traffic reaches from {first} to {last}; plan at most 400 days at once (different traces in one ledger?)"
            )
        above = self._above(rented_clearance)
        order = slice(None) if (self.unix_s[1:] >= self.unix_s[:-1]).all() else np.argsort(self.unix_s, kind="stable")
        count = len(self.unix_s)
        return Traffic(
            time_s=self.unix_s[order] - first_s,
            input_tokens=self.input_tokens[order].astype(np.int64),
            cache_read=self.cache_read[order].astype(np.int64),
            output_tokens=self.output_tokens[order].astype(np.int64),
            sensitive=above[self.data_class[order]],
            span_s=(last_s - first_s) * count / max(count - 1, 1),
            start_s=first_s,
            kinds={kind: tokens[order].astype(np.int64) for kind, tokens in self.kinds.items()},
        )

    def _above(self, clearance: DataClass) -> Flags:
        """For each of `classes` whether it is above the clearance. A name that no request has is not looked at."""
        used = np.bincount(self.data_class, minlength=len(self.classes))
        try:
            return np.array(
                [n and DataClass.parse(name) > clearance for name, n in zip(self.classes, used, strict=True)], np.bool_
            )
        except ValueError as error:
            raise BadSettings(f"the traffic cannot be read: {error}") from None


def requests_from_rows(rows: Iterable[TrafficRow]) -> dict[str, Requests]:
    """Rows as columns, by workload in the order they turn up. Raises BadSettings on a count that 64 bits do not hold."""
    by_workload: dict[str, list[TrafficRow]] = {}
    for row in rows:
        by_workload.setdefault(row.workload, []).append(row)
    return {name: _columns(name, own) for name, own in by_workload.items()}


def _columns(workload: str, rows: Sequence[TrafficRow]) -> Requests:
    codes = {name: code for code, name in enumerate(dict.fromkeys(row.data_class for row in rows))}
    counts = ([row.input_tokens for row in rows], [row.cache_read for row in rows], [row.output_tokens for row in rows])
    held = [kind for kind in KINDS if any(row.kinds.get(kind) for row in rows if row.kinds)]
    try:
        input_tokens, cache_read, output_tokens = (np.array(column, dtype=np.int64) for column in counts)
        kinds = {kind: np.array([row.kinds.get(kind, 0) for row in rows], dtype=np.int64) for kind in held}
    except OverflowError:
        raise BadSettings(f"the traffic of {workload} cannot be read: a token count is beyond 64 bits") from None
    return Requests(
        unix_s=np.array([row.stands_for for row in rows], dtype=np.float64),
        data_class=np.array([codes[row.data_class] for row in rows], dtype=np.int32),
        classes=tuple(codes),
        input_tokens=input_tokens,
        cache_read=cache_read,
        output_tokens=output_tokens,
        kinds=kinds,
    )


def joined(parts: Sequence[Requests]) -> Requests:
    """Requests of one workload from several places, one after the other. There is at least one part."""
    if len(parts) == 1:
        return parts[0]
    codes = {name: code for code, name in enumerate(dict.fromkeys(name for part in parts for name in part.classes))}
    width = np.min_scalar_type(len(codes))
    held = [kind for kind in KINDS if any(kind in part.kinds for part in parts)]
    translated = [np.array([codes[name] for name in part.classes], dtype=width)[part.data_class] for part in parts]
    return Requests(
        unix_s=np.concatenate([part.unix_s for part in parts]),
        data_class=np.concatenate(translated),
        classes=tuple(codes),
        input_tokens=np.concatenate([part.input_tokens for part in parts]),
        cache_read=np.concatenate([part.cache_read for part in parts]),
        output_tokens=np.concatenate([part.output_tokens for part in parts]),
        kinds={kind: np.concatenate([_of_kind(part, kind) for part in parts]) for kind in held},
    )


def _of_kind(part: Requests, kind: Bucket) -> Whole:
    found = part.kinds.get(kind)
    return np.zeros(len(part.unix_s), dtype=np.uint8) if found is None else found


def traffic_from_rows(rows: Iterable[TrafficRow], rented_clearance: DataClass) -> Traffic:
    """The traffic of rows of one workload, whatever it is called. Raises BadSettings as `requests_from_rows` and
    `Requests.traffic` do, and on no rows."""
    parts = list(requests_from_rows(rows).values())
    if not parts:
        raise BadSettings(_EMPTY)
    return joined(parts).traffic(rented_clearance)
