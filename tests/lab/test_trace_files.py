"""Trace files on disk and windows of time."""

import gzip
from pathlib import Path

import pytest

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.traces import open_trace, window

CSV = b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.5,10,2\n2023-11-16 18:17:05,20,3\n"
TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.csv"
    plain.write_bytes(CSV)
    packed.write_bytes(gzip.compress(CSV))
    assert list(open_trace(plain)) == list(open_trace(packed))
    assert [r.input_tokens for r in open_trace(plain)] == [10, 20]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe not text", gzip.compress(CSV)[:-20], gzip.compress(CSV)[:14] + b"broken", b"\x1f\x8bno"]
)
def test_an_unreadable_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    with pytest.raises(BadSettings, match=r"trace\.csv") as caught:
        list(open_trace(path))
    assert "\n" not in caught.value.message


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(BadSettings, match="cannot read the trace"):
            list(open_trace(path))


def test_a_window_starts_after_the_first_request_and_ends_before_its_end() -> None:
    trace = [TracedRequest(100.0 + second, 1, 1) for second in range(10)]
    assert [r.at for r in window(trace, 2, 3)] == [102, 103, 104]
    assert list(window(trace)) == trace
    assert len(list(window(trace, 7))) == 3


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(BadSettings, match="no request from 50 s to the end"):
        list(window([TracedRequest(0, 1, 1)], 50))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("azure_llm_2023_code.csv.gz", 8_819),
        ("azure_llm_2023_conv.csv.gz", 19_366),
        ("mooncake_fast25_conversation.jsonl.gz", 12_031),
        ("mooncake_fast25_synthetic.jsonl.gz", 3_993),
    ],
)
def test_the_public_traces_read_whole(name: str, count: int) -> None:
    if not (TRACES / name).exists():
        pytest.skip("public traces are not at hand")
    assert sum(1 for _ in open_trace(TRACES / name)) == count
