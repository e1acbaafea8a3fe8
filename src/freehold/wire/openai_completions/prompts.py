"""Prompts of legacy completions and inputs of embeddings: a text, token ids, or a list of either."""

from typing import Any

import msgspec

from freehold.core.errors import BadRequest

_value = msgspec.json.Decoder()


class Prompts(msgspec.Struct, frozen=True):
    """How many there are, and how long the longest is: in bytes of text, or in tokens where the caller made them.
    `text` is the only one, where it is text."""

    count: int
    longest_bytes: int
    longest_tokens: int
    input_bytes: int
    text: str | None = None


def prompts_of(fields: dict[str, msgspec.Raw], name: str) -> Prompts:
    """Those in that field. Raises BadRequest on anything else, so that nothing but text and tokens goes on."""
    raw = fields.get(name, msgspec.Raw(b"null"))
    try:
        value = _value.decode(raw)
    except RecursionError:
        raise BadRequest(f"{name} nests too deeply to be read", param=name) from None
    one = isinstance(value, str) or _is_tokens(value)
    several = [value] if one else value if isinstance(value, list) else []
    texts = [prompt for prompt in several if isinstance(prompt, str)]
    tokens = [prompt for prompt in several if _is_tokens(prompt)]
    if not several or len(several) not in (len(texts), len(tokens)):
        problem = "is neither a text, a list of texts, token ids nor a list of those" if name in fields else "is missing"
        raise BadRequest(f"{name} {problem}", param=name)
    longest = max((len(prompt) for prompt in tokens), default=0)
    # Four bytes a token is what texts are estimated at, so token ids count as at least as much.
    size = max(len(memoryview(raw)), 4 * sum(len(prompt) for prompt in tokens))
    return Prompts(
        len(several), max((len(text.encode(errors="replace")) for text in texts), default=0), longest, size,
        texts[0] if len(several) == len(texts) == 1 else None,
    )  # fmt: skip


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)
