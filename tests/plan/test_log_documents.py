"""Texts cut into records: the same whatever the layout, in little memory, and with the place of whatever is broken."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.logs import documents
from freehold.plan.logs.documents import Piece, records


def pieces(text: str) -> list[Piece]:
    return list(records(io.StringIO(text)).pieces)


VALUES = st.dictionaries(
    st.sampled_from(["a", "b c", 'quo"ted', "list", "deep"]),
    st.none() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2) | st.just({"x": [{"y": "]}"}]}),
    max_size=3,
)


@settings(max_examples=2 * settings().max_examples)
@given(rows=st.lists(VALUES, min_size=1, max_size=6), indent=st.sampled_from([None, 1]), chunk=st.sampled_from([1, 2, 7, 64]))
def test_every_layout_gives_the_same_records(rows: list[dict[str, Any]], indent: int | None, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_CHUNK", chunk)
        array = json.dumps(rows, indent=indent)
        page = json.dumps({"object": "page", "data": rows, "has_more": False, "rest": {"data": [1]}}, indent=indent)
        assert [piece.record for piece in pieces(array)] == rows
        assert [piece.record for piece in pieces(page)] == rows
        assert [piece.record for piece in pieces(f"[{page}, {page}]")] == rows * 2
        assert [piece.record for piece in pieces("\n".join(map(json.dumps, rows)))] == rows


def test_places_count_lines_or_records() -> None:
    assert [(p.line, p.part) for p in pieces('{"a": 1}\n\n{"a": 2}\n')] == [(1, 0), (3, 0)]
    assert [(p.line, p.part) for p in pieces('[{"results": [{"a": 1}, {"a": 2}]}, {"a": 3}]')] == [(1, 0), (1, 1), (2, 0)]
    assert [(p.line, p.part) for p in pieces('a,b\n1,"x\ny"\n2,z\n')] == [(2, 0), (4, 0)]


def test_a_bucket_gives_its_results_its_own_fields() -> None:
    (piece,) = pieces('{"data": [{"start": 1, "object": "bucket", "results": [{"object": "result", "n": 2}]}]}')
    assert piece.record == {"start": 1, "object": "result", "n": 2}


def test_a_bad_line_leaves_the_others() -> None:
    good, bad, other, last = pieces('{"a": 1}\n{"a": \n[2]\n{"a": 3}\n')
    assert (good.record, last.record, last.line) == ({"a": 1}, {"a": 3}, 4)
    assert isinstance(bad.record, str)
    assert bad.record.startswith("is no JSON")
    assert other.record == "is no object"


def test_a_row_of_another_width_leaves_the_others() -> None:
    assert [p.record for p in pieces("a,b\n1,2\n3\n4,5\n")] == [
        {"a": "1", "b": "2"},
        "has 1 fields where the header has 2",
        {"a": "4", "b": "5"},
    ]


def test_a_quote_that_is_never_closed_is_told() -> None:
    good, bad = pieces('a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert good.record == {"a": "1", "b": "2"}
    assert (bad.line, bad.record) == (3, "is no CSV up to line 5: unexpected end of data")


@pytest.mark.parametrize(
    ("text", "whole", "reason"),
    [
        ('[{"a": 1}, {"a": 2}', 2, "is missing: the file breaks off"),
        ('[{"a": 1}, {"a": "x', 1, "is no JSON (Unterminated string starting at); nothing after it could be read"),
        ('[{"a": 1}, {"a" 2}, {"a": 3}]', 1, "is no JSON (Expecting ':' delimiter); nothing after it could be read"),
        ('[{"a": 1}] rest', 1, "is no JSON (Expecting value); nothing after it could be read"),
    ],
)
def test_a_document_that_breaks_off_is_told(text: str, whole: int, reason: str) -> None:
    *good, last = pieces(text)
    assert len(good) == whole
    assert (last.line, last.record) == (whole + 1, reason)


@pytest.mark.parametrize("text", ["", "\ufeff \n\n"])
def test_an_empty_text(text: str) -> None:
    with pytest.raises(BadSettings, match="is empty"):
        records(io.StringIO(text))


def test_what_is_no_text() -> None:
    with pytest.raises(BadSettings, match="is not text"):
        records(io.StringIO("PK\x03\x04\0\0"))


def test_a_long_document_is_read_piece_by_piece() -> None:
    class Counted(io.StringIO):
        furthest = 0

        def read(self, size: int | None = -1, /) -> str:
            text = super().read(size)
            self.furthest = max(self.furthest, self.tell())
            return text

    text = Counted(json.dumps({"data": [{"n": n, "text": "x" * 1000} for n in range(5000)]}))
    first = next(records(text).pieces)
    assert first.record == {"n": 0, "text": "x" * 1000}
    assert text.furthest < 2 * documents._CHUNK
