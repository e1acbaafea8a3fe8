"""The words of a message or a delta, by kind, under every name that compatible servers give them."""

from collections.abc import Iterator

import msgspec

from freehold.core.said import PartKind


class Block(msgspec.Struct):
    """Mistral's reasoning models say `content` as a list of these, thinking as one that holds more (seen 2026-11-21)."""

    type: str
    text: str = ""
    thinking: "list[Block] | None" = None


class Spoken(msgspec.Struct):
    """What a message and a delta have in common."""

    content: str | list[Block] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None

    def words(self) -> list[tuple[PartKind, str]]:
        """In the order in which they are said, neighbours of one kind joined. Raises ValueError on content of another kind."""
        joined: list[tuple[PartKind, str]] = []
        for kind, text in self._words():
            if joined and joined[-1][0] == kind:
                joined[-1] = (kind, joined[-1][1] + text)
            elif text:
                joined.append((kind, text))
        return joined

    def _words(self) -> Iterator[tuple[PartKind, str]]:
        yield "thinking", self.reasoning_content or self.reasoning or ""
        if isinstance(self.content, list):
            for block in self.content:
                yield from _of_block(block)
        else:
            yield "text", self.content or ""
        yield "refusal", self.refusal or ""


def _of_block(block: Block) -> Iterator[tuple[PartKind, str]]:
    match block.type:
        case "text":
            yield "text", block.text
        case "thinking":
            yield "thinking", "".join(inner.text for inner in block.thinking or ())
        case _:
            raise ValueError("the answer holds content of a type that is not known here")
