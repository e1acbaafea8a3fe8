"""Whose a signature is. The dialect has a place for it and no word for its maker, so another maker's name stands before it."""

import re

DIALECT = "anthropic_messages"
_FOREIGN = re.compile(r"([a-z][a-z0-9_]*)#(.*)", re.DOTALL)


def marked(signature: str | None, maker: str | None) -> str:
    """As it stands in a block; empty where there is none."""
    if not signature or maker is None:
        return ""
    return signature if maker == DIALECT else f"{maker}#{signature}"


def unmarked(text: str | None) -> tuple[str | None, str | None]:
    """(signature, maker) as they were; both None where it is empty."""
    if not text:
        return None, None
    found = _FOREIGN.fullmatch(text)  # Anthropic's own are base64, which has no such sign
    return (found[2], found[1]) if found else (text, DIALECT)
