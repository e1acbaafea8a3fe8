"""Any other log: somebody says which of its columns holds what, or its columns have the names everybody uses."""

from collections.abc import Mapping

from freehold.core.errors import BadSettings
from freehold.plan.logs.fields import cost, count, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record

_REQUIRED = ("time", "input", "output")
_MEANINGS = (*_REQUIRED, "cached", "model", "provider", "cost", "requests", "end")
_USUAL: dict[str, tuple[str, ...]] = {
    "time": ("timestamp", "time", "created_at", "created", "start_time", "request_time", "date"),
    "input": ("input_tokens", "prompt_tokens"),
    "output": ("output_tokens", "completion_tokens"),
    "cached": ("cached_tokens", "cached_input_tokens", "input_cached_tokens", "cache_read_input_tokens"),
    "model": ("model",),
    "provider": ("provider",),
    "cost": ("cost_usd", "cost"),
}


def parse_map(written: str) -> dict[str, str]:
    """'time=ts,input=in' as {'time': 'ts', 'input': 'in'}. Raises BadSettings."""
    found: dict[str, str] = {}
    for part in written.split(","):
        meaning, equals, column = (piece.strip() for piece in part.partition("="))
        if meaning not in _MEANINGS or not equals or not column or meaning in found:
            raise BadSettings(f"map has {part.strip()!r}; write MEANING=COLUMN once for each of {', '.join(_MEANINGS)}")
        found[meaning] = column
    missing = [meaning for meaning in _REQUIRED if meaning not in found]
    if "requests" in found and "end" not in found:
        raise BadSettings("map has requests but not when their bucket ends; add end=COLUMN")
    if missing:
        raise BadSettings(f"map is {written!r} and does not say which column is {' and '.join(missing)}; add {missing[0]}=COLUMN")
    return found


def usual_columns(record: Record) -> dict[str, str] | None:
    """What a record's columns mean by their usual names; None where time, input or output has no such column."""
    by_name = {name.lower().replace(" ", "_"): name for name in record}
    found = {
        meaning: by_name[next(name for name in names if name in by_name)]
        for meaning, names in _USUAL.items()
        if any(name in by_name for name in names)
    }
    return found if all(meaning in found for meaning in _REQUIRED) else None


def columns_format(columns: Mapping[str, str]) -> LogFormat:
    """The format of records whose columns mean what the map says. With `end`, a record is a bucket."""

    def read(record: Record) -> LoggedUsage | None:
        start = when(record, columns["time"])
        tokens_in, tokens_out = count(record, columns["input"]), count(record, columns["output"])
        if tokens_in + tokens_out == 0:
            return None
        return LoggedUsage(
            time=start,
            bucket_s=when(record, columns["end"]) - start if "end" in columns else None,
            provider=text(record, columns.get("provider", "")),
            model=text(record, columns.get("model", "")),
            requests=_requests(record, columns),
            input_tokens=tokens_in,
            cache_read=count(record, columns.get("cached", ""), 0),
            output_tokens=tokens_out,
            cost_nanousd=cost(record, columns.get("cost", "")),
        )

    return LogFormat(name="csv", known_by=(frozenset(columns.values()),), read=read)


def _requests(record: Record, columns: Mapping[str, str]) -> int | None:
    if "end" not in columns:
        return 1
    return count(record, columns["requests"], 0) or None if "requests" in columns else None
