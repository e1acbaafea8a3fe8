"""An answer in no dialect is restored wherever its placeholders are cut, and says the same streamed and whole."""

import itertools
import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Call, Media, Refusal, Text, Thinking
from freehold.core.said import (
    Began,
    Broke,
    Choice,
    Closed,
    Ended,
    Opened,
    PartKind,
    Piece,
    Said,
    Signed,
    Step,
    Stopped,
    Used,
    Whole,
    fold,
)
from freehold.rules.sensitivity.restorer import Restorer
from freehold.rules.sensitivity.steps import StepRestorer, restored

ORIGINALS = {"<EMAIL_1>": "jo@x.com", "<PASSWORD_1>": 'p"a\\ss'}
TOLD = st.lists(
    st.sampled_from(["<EMAIL_1>", "<PASSWORD_1>", "<EMAIL_9>", "<", "<EMA", "EMAIL_1", ">", "a", "{", "é ", "\\"]), max_size=6
)
texts = TOLD.map("".join)
arguments = TOLD.map(lambda words: json.dumps({"to": "".join(words)}))
parts: st.SearchStrategy[Said] = st.one_of(
    texts.map(Text), texts.map(Refusal), texts.map(lambda text: Thinking(text, "sig", maker="m")),
    arguments.map(lambda text: Call("id", "f", text)), st.just(Media(kind="audio", data="AA==")),
)  # fmt: skip
KINDS: dict[type, PartKind] = {Text: "text", Refusal: "refusal", Thinking: "thinking", Call: "call", Media: "media"}


def steps(parts: list[Said], cuts: list[int], ended: bool = True) -> Iterator[Step]:
    """Parts that all run at once: one piece of each in turn."""
    yield Opened(id="i", model="m")
    pieces: list[list[Step]] = []
    for at, part in enumerate(parts):
        name = part.name if isinstance(part, Call) else ""
        media = part if isinstance(part, Media) else None
        yield Began(choice=0, part=at, kind=KINDS[type(part)], id="id" if name else "", name=name, media=media)
        text = part.arguments if isinstance(part, Call) else getattr(part, "text", "")
        places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
        pieces.append([Piece(0, at, text[a:b]) for a, b in itertools.pairwise(places)])
    for row in zip(*pieces, strict=True):
        yield from row
    for at, part in enumerate(parts):
        if isinstance(part, Thinking):
            yield Signed(0, at, "sig", "m")
        if ended:
            yield Ended(0, at)
    yield Stopped(0, "stop_sequence", "<EMAIL_1>")
    yield Closed()


def fed(given: Iterator[Step]) -> list[Step]:
    restorer = StepRestorer(Restorer(ORIGINALS))
    return [after for step in given for after in restorer.feed(step)]


@given(st.lists(parts, max_size=4), st.lists(st.integers(0, 99), max_size=5), st.booleans())
def test_any_cut_gives_what_the_whole_gives(parts: list[Said], cuts: list[int], ended: bool) -> None:
    whole = Whole(id="i", model="m", choices=(Choice(parts=tuple(parts), stop="stop_sequence", stop_sequence="<EMAIL_1>"),))
    assert fold(fed(steps(parts, cuts, ended))) == restored(whole, Restorer(ORIGINALS))


def test_values_go_into_arguments_as_json_has_them() -> None:
    call = Call("id", "f", '{"to": "<EMAIL_1>", "with": "<PASSWORD_1>", "not": "<EMAIL_9>"}')
    whole = Whole(
        id="i", model="m", choices=(Choice(parts=(call, Text("<PASSWORD_1>"), Thinking("of <EMAIL_1>")), stop="calls"),)
    )
    after = restored(whole, Restorer(ORIGINALS)).choices[0].parts
    assert isinstance(after[0], Call)
    assert json.loads(after[0].arguments) == {"to": "jo@x.com", "with": 'p"a\\ss', "not": "<EMAIL_9>"}
    assert after[1:] == (Text('p"a\\ss'), Thinking("of jo@x.com"))


def test_what_is_held_goes_out_before_the_part_ends() -> None:
    began = Began(choice=0, part=0, kind="text")
    assert fed(iter([began, Piece(0, 0, "a <EMA"), Ended(0, 0)])) == [began, Piece(0, 0, "a "), Piece(0, 0, "<EMA"), Ended(0, 0)]
    assert fed(iter([began, Piece(0, 0, "<EMA"), Closed()])) == [began, Piece(0, 0, "<EMA"), Closed()]


def test_text_without_a_placeholder_is_not_held() -> None:
    began = Began(choice=0, part=0, kind="text")
    assert fed(iter([began, Piece(0, 0, "word ")])) == [began, Piece(0, 0, "word ")]


def test_other_steps_pass() -> None:
    others: list[Step] = [Opened(id="i", model="m"), Used(None, "raw"), Broke("x")]
    assert fed(iter(others)) == others
