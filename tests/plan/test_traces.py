"""Both trace formats, and one clear line for anything else."""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.plan.demand.traces import parse

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens"


def test_azure_times_are_utc_to_the_tick() -> None:
    requests = list(parse([f"{AZURE}\n", "2023-11-16 18:17:03.9799600,4808,10\n", "2023-11-16 18:17:04.0319600,3180,8\n"]))
    moment = datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC).timestamp()
    assert requests == [TracedRequest(moment, 4808, 10), TracedRequest(moment + 0.052, 3180, 8)]


def test_azure_2024_times_with_an_offset_are_read_too() -> None:
    assert next(parse([AZURE, "2024-05-10 02:00:00.5+02:00,1,2"])).at == datetime(2024, 5, 10, 0, 0, 0, 500000, UTC).timestamp()


def test_mooncake_times_count_from_the_start() -> None:
    rows = ['{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}']
    rows.append('{"timestamp": 27482, "input_length": 9, "output_length": 1}')
    assert list(parse(rows)) == [TracedRequest(0.0, 600, 5, (0, 1)), TracedRequest(27.482, 9, 1)]


def test_a_byte_order_mark_carriage_returns_and_blank_lines_do_not_matter() -> None:
    lines = ["\ufeff" + AZURE + "\r\n", "\r\n", "2023-11-16 18:17:03,1,2\r\n", "\n"]
    assert len(list(parse(lines))) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "empty"),
        (["", "  "], "empty"),
        ([AZURE], "no request"),
        (["window_start_s,rate_rps", "0,1"], "line 1"),
        ([AZURE, "2023-11-16 18:17:03,1"], "line 2"),
        ([AZURE, "2023-11-16 18:17:03,1,2", "", "yesterday,1,2"], "line 4"),
        ([AZURE, "2023-11-16 18:17:03,-1,2"], "line 2"),
        ([AZURE, "2023-11-16 18:17:03,1.5,2"], "line 2"),
        (['{"timestamp": 1, "input_length": 1}'], "line 1"),
        (['{"timestamp": 1, "input_length": 1, "output_length": 1}', "nonsense"], "line 2"),
        (['{"timestamp": -1, "input_length": 1, "output_length": 1}'], "line 1"),
        ([AZURE, "2023-11-16 18:17:03,1,2", "2023-11-16 18:17:02,1,2"], "line 3"),
    ],
)
def test_what_is_no_trace_is_named_in_one_line(lines: list[str], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        list(parse(lines))
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1))
def test_any_sorted_rows_survive_the_trip(rows: list[tuple[int, int, int]]) -> None:
    rows.sort(key=lambda row: row[0])
    lines = [msgspec.json.encode({"timestamp": t, "input_length": i, "output_length": o}).decode() for t, i, o in rows]
    assert [(r.at, r.input_tokens, r.output_tokens) for r in parse(lines)] == [(t / 1000, i, o) for t, i, o in rows]


@given(st.text(max_size=200))
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    for lines in (text.split("\n"), [AZURE, *text.split("\n")], ['{"timestamp":0,"input_length":1,"output_length":1}', text]):
        with suppress(BadSettings):
            assert all(request.input_tokens >= 0 for request in parse(lines))
