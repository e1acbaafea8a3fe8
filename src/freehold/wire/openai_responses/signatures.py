"""Whose a reasoning item is. `encrypted_content` has no word for its maker, so another maker's name stands before it; an item
that says nothing there is told by its id, in which those written here carry a mark."""

import re

DIALECT = "openai_responses"
_FOREIGN = re.compile(r"([a-z][a-z0-9_]*)#(.*)", re.DOTALL)
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_MARK = "freehold"
_LONGEST_TAIL = 24  # OpenAI takes ids of up to 64 characters


def marked(signature: str | None, maker: str | None) -> str | None:
    """As it stands in an item; None where nobody signed."""
    if not signature or maker is None:
        return None
    return signature if maker == DIALECT else f"{maker}#{signature}"


def unmarked(text: str | None) -> tuple[str | None, str | None]:
    """(signature, maker) as they were; both None where it is empty."""
    if not text:
        return None, None
    found = _FOREIGN.fullmatch(text)  # OpenAI's own are base64, which has no such sign
    return (found[2], found[1]) if found else (text, DIALECT)


def item_id(prefix: str, answer_id: str, index: int) -> str:
    """The id of an item of an answer that is written here."""
    return f"{prefix}_{_MARK}_{_NOT_OF_AN_ID.sub('_', answer_id)[-_LONGEST_TAIL:]}_{index}"


def is_ours(some_id: str) -> bool:
    """Whether an item with this id was written here, and so is kept nowhere."""
    return some_id.partition("_")[2].startswith(f"{_MARK}_")
