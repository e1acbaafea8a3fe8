"""One inbound request as the rules see it: what it asks for, never a decoded copy of its content."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from freehold.core.assignment import Assignment
from freehold.core.capability import Capability
from freehold.core.data import LABELS, Handling, LabelRule, Party

Dialect: TypeAlias = Literal[
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "openai_embeddings",
    "anthropic_messages",
    "anthropic_count_tokens",
]


class Hints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Per-request wishes under OpenRouter's `provider` names. They narrow or reorder; they never admit a removed target."""

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    allow_fallbacks: bool = True
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request read from one dialect. `fields` holds the body's top-level values as raw, untouched JSON.

    `needs` is what it asks of a server; `least_tokens` the fewest tokens that its prompt and its longest answer can be.
    `most_output_tokens` is the largest cap it names (servers differ in which they honour), `predicted_bytes` a guess it sends.
    `headers` are those of the dialect that change what is asked; they go on to a target that speaks it.
    """

    dialect: Dialect
    model: str
    fields: dict[str, msgspec.Raw]
    stream: bool = False
    wants_usage: bool = False
    choices: int = 1
    input_bytes: int = 0
    max_output_tokens: int | None = None
    most_output_tokens: int | None = None
    predicted_bytes: int = 0
    egress: frozenset[str] = frozenset()
    needs: frozenset[Capability] = frozenset()
    least_tokens: int = 0
    hints: Hints = Hints()
    headers: Mapping[str, str] = {}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules decide on: the request's needs after key, workload and headers have had their say.

    `handling` is what all `parties` demand together; `labels` says what each label asks of a target. `within` is all that the key
    may use (None: any target); `named` is what the request asks for. `prompt_tokens`: by target, the fewest tokens that the
    operator's own words add there to `least_tokens`. `assigned`: the migrations of the workload that this request was drawn for,
    the newest first.
    """

    workload: str
    handling: Handling
    parties: tuple[Party, ...] = ()
    labels: Mapping[str, LabelRule] = LABELS
    egress: frozenset[str] = frozenset()
    needs: frozenset[Capability] = frozenset()
    least_tokens: int = 0
    prompt_tokens: Mapping[str, int] = {}
    within: frozenset[str] | None = None
    named: frozenset[str] | None = None
    hints: Hints = Hints()
    assigned: tuple[Assignment, ...] = ()
