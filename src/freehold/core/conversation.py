"""A request in no dialect: what is asked, so that it can be said in another one.

Every dialect reads a conversation out of its own body and writes one into it. Read only where the caller's dialect is not the
target's: where they are the same, the body leaves as it came. What a dialect cannot say it refuses by name (Untranslatable).
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Untranslatable(Exception):
    """`field` of the caller's body cannot be said in the target's dialect; `why` in a clause. Raised before anything is sent."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class CacheMark(msgspec.Struct, frozen=True):
    """Everything up to here is worth caching. `ttl`: "5m" or "1h"; None is the provider's usual one."""

    ttl: str | None = None


class Text(msgspec.Struct, frozen=True):
    """Prose."""

    text: str
    cache: CacheMark | None = None


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """An image, a sound or a document: base64 `data` with its `media_type` (`image/png`, `audio/wav`, `application/pdf`), or a
    `url` that the target would fetch, or a `file_id` at the provider. `detail`: how closely to look, in the caller's word."""

    kind: Literal["image", "audio", "file"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    detail: str | None = None
    cache: CacheMark | None = None


class Thinking(msgspec.Struct, frozen=True):
    """Reasoning that came before an answer. `signature` proves to its maker that it is unchanged: only `maker` can read it.

    `redacted`: there is no text, all of it is in the signature. `maker`: the dialect it was signed in.
    """

    text: str
    signature: str | None = None
    redacted: bool = False
    maker: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A tool call of the assistant's; `arguments` is the JSON text it wrote. `signature`: as of Thinking, where there is one."""

    id: str
    name: str
    arguments: str
    signature: str | None = None
    cache: CacheMark | None = None


class Result(msgspec.Struct, frozen=True):
    """What the tool of call `id` gave back; part of a user's turn. `name`: the tool's, where it is known."""

    id: str
    parts: "tuple[Text | Media, ...]"
    failed: bool = False
    name: str | None = None
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The assistant's words for declining."""

    text: str


Part: TypeAlias = Text | Media | Thinking | Call | Result | Refusal


class Turn(msgspec.Struct, frozen=True):
    """One turn. System turns may stand anywhere; results stand in user turns, before any other part of theirs."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function the caller runs. `schema`: JSON Schema of its arguments as raw JSON; None: it takes none."""

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    cache: CacheMark | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """`named`: the one called `name`; `any`: at least one."""

    mode: Literal["auto", "none", "any", "named"]
    name: str | None = None


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """Structured output: any JSON object, or one that follows `schema` (raw JSON Schema)."""

    kind: Literal["json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How much to think: an effort, a budget in tokens, or on / off. `show`: whether the caller wants to read it."""

    enabled: bool | None = None
    effort: Effort | None = None
    tokens: int | None = None
    show: bool | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request. None is always "the caller did not say".

    `others`: fields of the caller's body that only its own dialect has and that could change the answer; a composer of another
    dialect refuses the first of them by name. `hints`: names of fields that cannot change the answer (cache marks, metadata, user
    ids, `store: false`): a composer says those it can and leaves out the rest, and the caller is told which.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    choices: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    reasoning: Reasoning | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = {}
    others: Mapping[str, msgspec.Raw] = {}
    hints: frozenset[str] = frozenset()

    def require_nothing_else(self, dialect: str) -> None:
        """Raises Untranslatable for the first field that only the caller's own dialect has."""
        for name in sorted(self.others):
            raise Untranslatable(name, f"{dialect} has no such field")

    def split_system(self) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
        """The system turns it begins with, and the rest."""
        first = next((at for at, turn in enumerate(self.turns) if turn.role != "system"), len(self.turns))
        return self.turns[:first], self.turns[first:]
