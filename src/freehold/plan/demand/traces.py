"""Read request traces from lines of text, whatever their format: Azure's 2023 CSV and Mooncake's JSONL.

Both hold times and token counts, never content. Sources: Azure/AzurePublicDataset (Patel et al., "Splitwise", ISCA 2024) and
kvcache-ai/Mooncake (Qin et al., "Mooncake", FAST 2025).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated

import msgspec

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest

_AZURE_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
_AZURE_ROW = "ISO time,input tokens,output tokens"
_MOONCAKE_ROW = '{"timestamp": ms, "input_length": tokens, "output_length": tokens, "hash_ids": [block ids]}'

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _MooncakeRow(msgspec.Struct):
    timestamp: Annotated[float, msgspec.Meta(ge=0)]
    input_length: _Count
    output_length: _Count
    hash_ids: tuple[int, ...] = ()


_mooncake_rows = msgspec.json.Decoder(_MooncakeRow)


def parse(lines: Iterable[str]) -> Iterator[TracedRequest]:
    """The requests of a trace in order of arrival; the first line tells the format.

    Azure times are UTC and become Unix seconds; Mooncake times count from the trace's own start. Blank lines are skipped.
    Raises BadSettings naming the line and what was expected, on an empty trace and on time that runs backwards.
    """
    numbered = ((number, text) for number, line in enumerate(lines, 1) if (text := line.strip("\ufeff \t\r\n")))
    number, first = next(numbered, (0, ""))
    if not first:
        raise BadSettings("the trace is empty; give an Azure 2023 CSV or a Mooncake JSONL file")
    if first.lower() == _AZURE_HEADER.lower():
        requests = _read(numbered, _azure, _AZURE_ROW)
    elif first.startswith("{"):
        requests = _read(chain([(number, first)], numbered), _mooncake, _MOONCAKE_ROW)
    else:
        raise BadSettings(
            f"line {number} starts no trace: {_shown(first)}; expected the header {_AZURE_HEADER} or {_MOONCAKE_ROW}"
        )
    yield from requests


def _read(
    numbered: Iterable[tuple[int, str]], read_row: Callable[[str], TracedRequest], expected: str
) -> Iterator[TracedRequest]:
    last: TracedRequest | None = None
    for number, text in numbered:
        try:
            request = read_row(text)
        except (ValueError, OverflowError):
            raise BadSettings(f"line {number} of the trace is {_shown(text)}; expected {expected}") from None
        if last is not None and request.at < last.at:
            raise BadSettings(f"line {number} of the trace is earlier than the request before it; sort the trace by time")
        last = request
        yield request
    if last is None:
        raise BadSettings("the trace has a header but no request; give one with at least one row")


def _azure(text: str) -> TracedRequest:
    stamp, input_tokens, output_tokens = text.split(",")
    time = datetime.fromisoformat(stamp)
    at = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return TracedRequest(at, _count(input_tokens), _count(output_tokens))


def _mooncake(text: str) -> TracedRequest:
    row = _mooncake_rows.decode(text)
    return TracedRequest(row.timestamp / 1000, row.input_length, row.output_length, row.hash_ids)


def _count(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(text)
    return int(text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
