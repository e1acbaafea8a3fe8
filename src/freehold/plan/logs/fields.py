"""Read one field of a log's record, whether it came as JSON or as text: times, counts, amounts. Errors name field and value."""

import math
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from freehold.core.money import nanousd
from freehold.plan.logs.usage import MOST_TOKENS, Record

_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
# Unix times come in s, ms, us or ns; each unit's plausible range ends before the next one's begins.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def field(record: Record, name: str) -> Any:
    """The value, where the record has the field. Raises ValueError."""
    if name not in record:
        raise ValueError(f"there is no field {name!r}")
    return record[name]


def text(record: Record, *names: str) -> str | None:
    """The first of the fields that holds text, stripped; None where none does."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def when(record: Record, name: str) -> float:
    """A time as Unix seconds, from ISO 8601 (UTC where no zone is given) or a number of s, ms, us or ns. Raises ValueError."""
    value = field(record, name)
    try:
        seconds = _unix(float(value))
    except (TypeError, ValueError):
        seconds = _iso(value)
    if not 0 <= seconds < _LATEST:
        raise ValueError(f"{name} is {shown(value)}; expected an ISO 8601 time or Unix seconds")
    return seconds


def _unix(value: float) -> float:
    for above, per_second in _UNITS:
        if value >= above:
            return value / per_second
    return value


def _iso(value: Any) -> float:
    try:
        time = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
    except (AttributeError, ValueError):
        return math.nan
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def count(record: Record, name: str, empty: int | None = None) -> int:
    """A whole number of 0 or more, also as '10' or '10.0'. `empty` stands for a missing or empty field. Raises ValueError."""
    if empty is not None and record.get(name) in (None, ""):
        return empty
    value = field(record, name)
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    amount = number(record, name)
    if amount is None or amount != int(amount):
        raise ValueError(f"{name} is {shown(value)}; expected a whole number of 0 or more")
    return int(amount)


def number(record: Record, name: str) -> Decimal | None:
    """A number of 0 or more; None where the field is missing or empty. Raises ValueError."""
    value = record.get(name)
    if value in (None, ""):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= MOST_TOKENS:
        raise ValueError(f"{name} is {shown(value)}; expected a number of 0 or more")
    return amount


def cost(record: Record, name: str) -> int | None:
    """Nano-dollars of an amount in dollars; None where the field is missing or empty. Raises ValueError."""
    value = record.get(name)
    if isinstance(value, str) and value.strip().startswith("$"):
        record = {name: value.strip()[1:]}
    amount = number(record, name)
    if amount is not None and amount > 1_000_000_000:
        raise ValueError(f"{name} is {shown(value)}; expected dollars, at most a billion")
    return None if amount is None else nanousd(amount)


def mapping(record: Record, name: str) -> Record:
    """A nested object, also where it came as JSON in text; empty where there is none."""
    value = record.get(name)
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def shown(value: Any) -> str:
    """A value for people, cut where it is long."""
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:37]}..."
