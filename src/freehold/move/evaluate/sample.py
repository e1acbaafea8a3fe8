"""What is graded: one request with both models' answers, and what a grader says of one of them."""

from typing import ClassVar, Protocol

import msgspec

from freehold.core.conversation import Call, Refusal, Text
from freehold.core.said import StopReason, Whole


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call; `arguments` is the JSON text that the model wrote."""

    name: str
    arguments: str = ""


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer: its text, the tools it called, whether its server marked it as declined, and why it ended, where known."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    refused: bool = False
    stop: StopReason | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it was asked, in JSON, and the answer that is known to be right, where one is."""

    request: msgspec.Raw
    reference: Reply | None = None


class Score(msgspec.Struct, frozen=True):
    """From 0 (worst) to 1 (best). The evidence says why in a few words of our own and the suite's, never in the answer's."""

    value: float
    evidence: str

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise ValueError(f"the score {self.value} is not in 0 to 1")


class Grader(Protocol):
    """Scores one answer by itself: pure, total, and the same for the same words. `needs_reference`: it compares with one."""

    needs_reference: ClassVar[bool]

    def grade(self, sample: Sample, reply: Reply) -> Score:
        """Never raises for what an answer says. Raises ValueError for a sample without the reference that is needed."""
        ...


NO_ANSWER = Score(0.0, "no answer")


def reply_of(whole: Whole) -> Reply:
    """The first choice of an answer, as it is graded; thinking is not graded, media are not seen."""
    choice = next(iter(whole.choices), None)
    parts = choice.parts if choice is not None else ()
    return Reply(
        text="".join(part.text for part in parts if isinstance(part, Text | Refusal)),
        calls=tuple(ToolCall(part.name, part.arguments) for part in parts if isinstance(part, Call)),
        refused=any(isinstance(part, Refusal) for part in parts),
        stop=None if choice is None else choice.stop,
    )


def reference_of(sample: Sample) -> Reply:
    """Raises ValueError where the sample has none."""
    if sample.reference is None:
        raise ValueError("there is no reference to compare with")
    return sample.reference
