"""Where a server that speaks OpenAI's chat differs from OpenAI: a provider's row of data, read when a request is written."""

from collections.abc import Mapping

import msgspec


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Of one server.

    `renamed`: its own name for a field of the body that we write (`max_tokens`, `seed` ...). `lacks`: fields it refuses or does
    not honour: a request that needs one is refused by name, and `stream_options`, `user` or a `strict` of false are left out.
    `most_stops`: how many stop sequences it takes (None: any number). `cache_control`: it takes Anthropic's marks on parts.
    `thinking_field`: where it wants the thinking of earlier answers of its own back (None: nowhere). `counts_one_choice`: its
    usage is of one choice only: the first of a whole answer, each in an event of its own in a stream. `key_header`: the header
    that carries the key as it is; empty for `authorization: Bearer`.
    """

    renamed: Mapping[str, str] = {}
    lacks: frozenset[str] = frozenset({"top_k"})
    most_stops: int | None = 4
    cache_control: bool = False
    thinking_field: str | None = None
    counts_one_choice: bool = False
    key_header: str = ""


OTHERS = Quirks()
OPENAI = Quirks(renamed={"max_tokens": "max_completion_tokens"})
ENGINE = Quirks(lacks=frozenset(), most_stops=None)
