"""Which format a log has: the one asked for, or the one whose fields its first records have."""

from collections.abc import Iterable, Mapping

from freehold.core.errors import BadSettings
from freehold.plan.logs.anthropic import ANTHROPIC
from freehold.plan.logs.columns import columns_format, usual_columns
from freehold.plan.logs.focus import FOCUS
from freehold.plan.logs.litellm import LITELLM
from freehold.plan.logs.openai import OPENAI
from freehold.plan.logs.public_traces import AZURE, BURSTGPT, MOONCAKE
from freehold.plan.logs.usage import LogFormat, Record

KNOWN = {known.name: known for known in (LITELLM, OPENAI, ANTHROPIC, FOCUS, AZURE, MOONCAKE, BURSTGPT)}


def log_format(name: str, columns: Mapping[str, str] | None, first: Iterable[Record]) -> LogFormat:
    """The format of a log whose first records are given; `columns` is what a map says, and decides alone where there is one.

    Raises BadSettings where no format fits.
    """
    records = list(first)
    if columns is not None:
        _check_columns(columns, records)
        return columns_format(columns)
    if name in KNOWN:
        return KNOWN[name]
    for record in records:
        for known in KNOWN.values():
            if name == "auto" and known.fits(record):
                return known
        if usual := usual_columns(record):
            return columns_format(usual)
    seen = ", ".join(list(records[0])[:12]) if records else "none"
    raise BadSettings(
        f"has no known format (its fields: {seen}); give --map time=COLUMN,input=COLUMN,output=COLUMN, "
        f"or --format as one of {', '.join(KNOWN)}"
    )


def _check_columns(columns: Mapping[str, str], records: list[Record]) -> None:
    for column in columns.values():
        if records and not any(column in record for record in records):
            raise BadSettings(f"has no column {column!r} that --map names; its columns are {', '.join(list(records[0])[:12])}")
