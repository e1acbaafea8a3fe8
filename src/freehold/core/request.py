"""One inbound request as the rules see it: what it asks for, never a decoded copy of its content."""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.data import Handling

Dialect: TypeAlias = Literal["openai_chat"]


class Hints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Per-request wishes under OpenRouter's `provider` names. They narrow or reorder; they never admit a removed target."""

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request read from one dialect. `fields` holds the body's top-level values as raw, untouched JSON."""

    dialect: Dialect
    model: str
    fields: dict[str, msgspec.Raw]
    stream: bool = False
    wants_usage: bool = False
    choices: int = 1
    input_bytes: int = 0
    max_output_tokens: int | None = None
    egress: frozenset[str] = frozenset()
    hints: Hints = Hints()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules decide on: the request's needs after key, workload and headers have had their say."""

    workload: str
    handling: Handling
    egress: frozenset[str] = frozenset()
    named: frozenset[str] | None = None
    hints: Hints = Hints()
