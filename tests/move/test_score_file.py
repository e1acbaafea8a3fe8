from pathlib import Path

import pytest

from freehold.core.errors import BadSettings
from freehold.move.migration.pair import Harm, Pair
from freehold.move.migration.score_file import read_pairs


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return tmp_path / "scores.jsonl"


def test_lines_are_pairs_with_their_numbers(scores: Path) -> None:
    scores.write_text(
        '{"owned": 1, "rented": 0.5, "id": "not ours"}\n\n'
        '{"owned": 0, "rented": 1, "slice": "über", "guardrails": {"errors": {"owned": 1, "rented": 0}, "cost": {"owned": 0.2}}}',
        encoding="utf-8",
    )
    assert list(read_pairs(scores)) == [
        (1, Pair(1.0, 0.5)),
        (3, Pair(0.0, 1.0, "über", {"errors": Harm(1.0, 0.0), "cost": Harm(0.2)})),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"owned": 1}', "rented"), (b'{"owned": 1.01, "rented": 0}', "<= 1"), (b'{"owned": -0.1, "rented": 0}', ">= 0"),
        (b'{"owned": NaN, "rented": 0}', "invalid"), (b'{"owned": "1", "rented": 0}', "got `str`"),
        (b'{"owned": true, "rented": 0}', "got `bool`"), (b"[1, 0]", "got `array`"), (b'{"owned": 1, "rented": 0', "truncated"),
        (b'{"owned": 1, "rented": 0, "slice": 3}', "slice"), (b'{"owned": 1, "rented": 0, "slice": "\xff"}', "0xff"),
        (b'{"owned": 1, "rented": 0, "guardrails": {"errors": {"owned": 2}}}', "guardrails"),
        (b'{"owned": 1, "rented": 0, "guardrails": {"errors": {"owned": 0, "rentd": 0}}}', "rentd"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_named(scores: Path, line: bytes, said: str) -> None:
    scores.write_bytes(b'{"owned": 1, "rented": 1}\n\n' + line + b"\n")
    with pytest.raises(BadSettings) as refused:
        list(read_pairs(scores))
    assert f"{scores} line 3 is no pair of scores: " in refused.value.message
    assert said in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_a_file_without_pairs_is_refused(scores: Path, text: str) -> None:
    scores.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match="has no pairs"):
        list(read_pairs(scores))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot read .*missing\.jsonl: No such file"):
        list(read_pairs(tmp_path / "missing.jsonl"))
