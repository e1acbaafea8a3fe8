"""A stream's steps, folded into the whole answer they tell."""

import msgspec
import pytest

from freehold.core.conversation import Call, Text, Thinking
from freehold.core.said import Began, Broke, Choice, Closed, Ended, Opened, Piece, Signed, Step, Stopped, Used, Whole, fold
from freehold.core.usage import Usage

USAGE = Usage(input_tokens=3, output_tokens=2, source="provider")
STEPS: list[Step] = [
    Opened(id="a", model="m", created=7),
    Began(choice=0, part=0, kind="thinking"),
    Piece(0, 0, "Let me "),
    Piece(0, 0, "see."),
    Signed(0, 0, "sig", "anthropic_messages"),
    Ended(0, 0),
    Began(choice=1, part=0, kind="text"),
    Piece(1, 0, "Hi", msgspec.Raw(b'[{"token":"Hi"}]')),
    Piece(1, 0, "!", msgspec.Raw(b'[{"token":"!"}]')),
    Began(choice=0, part=1, kind="call", id="c1", name="look"),
    Piece(0, 1, '{"at":'),
    Piece(0, 1, "1}"),
    Ended(0, 1),
    Ended(1, 0),
    Stopped(0, "calls"),
    Stopped(1, "stop_sequence", "\n"),
    Used(USAGE, "{}"),
    Closed(),
]


def test_parts_of_interleaved_choices_come_together() -> None:
    whole = fold(STEPS)
    assert whole == Whole(
        id="a", model="m", created=7, usage=USAGE, raw_usage="{}",
        choices=(
            Choice(
                parts=(Thinking("Let me see.", "sig", False, "anthropic_messages"), Call("c1", "look", '{"at":1}')),
                stop="calls",
            ),
            Choice(
                parts=(Text("Hi!"),), stop="stop_sequence", stop_sequence="\n",
                logprobs=msgspec.Raw(b'[{"token":"Hi"},{"token":"!"}]'),
            ),
        ),
    )  # fmt: skip


def test_a_stream_that_broke_or_never_opened_is_no_answer() -> None:
    with pytest.raises(ValueError, match="overloaded_error"):
        fold([*STEPS[:4], Broke("overloaded_error")])
    with pytest.raises(ValueError, match="never opened"):
        fold([Closed()])
