"""A conversation's turns as `messages` and `system`.

All results of one assistant turn stand in one user turn, results first; system turns are hoisted, wherever they stood. Empty text
says nothing and is not allowed there, so it is left out, and so is thinking that another maker signed, or nobody. A cache mark
becomes a block of its own behind what it marks.
"""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeAlias

from freehold.core.conversation import CacheMark, Call, Media, Part, Refusal, Result, Text, Thinking, Turn, Untranslatable
from freehold.wire.anthropic_messages.signatures import DIALECT as ANTHROPICS
from freehold.wire.arguments import arguments_of
from freehold.wire.bedrock_converse.media import audio, document, image
from freehold.wire.bedrock_converse.models import DIALECT, Family

Json: TypeAlias = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def system_blocks(turns: Iterable[Turn], takes: Family) -> list[Json]:
    """The text of every system turn."""
    said = [part for turn in turns if turn.role == "system" for part in turn.parts]
    blocks: list[Json] = []
    for part in said:
        if not isinstance(part, Text):
            raise Untranslatable("messages", "a system prompt holds nothing but text")
        blocks += marked([{"text": part.text}] if part.text else [], part.cache, takes)
    return blocks


def messages(turns: Iterable[Turn], takes: Family) -> list[Json]:
    """Alternating messages, a user's first and last. Raises Untranslatable for what they cannot hold."""
    spoken = [turn for turn in turns if turn.role != "system"]
    names: Counter[str] = Counter()
    found: list[Json] = []
    for role, group in itertools.groupby(spoken, key=lambda turn: turn.role):
        together = list(group)
        if any(turn.name is not None for turn in together):
            raise Untranslatable("name", "a turn has no name in this dialect")
        parts = [part for turn in together for part in turn.parts]
        parts.sort(key=lambda part: not isinstance(part, Result))  # stable: results first, all else in its order
        blocks = [block for part in parts for block in _blocks(part, takes, names, assistant=role == "assistant")]
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            raise Untranslatable("messages", "a document stands beside a text of the same turn here")
        if blocks:
            found.append({"role": role, "content": blocks})
    if not found or found[-1]["role"] != "user":
        raise Untranslatable("messages", "an answer is only given to a user's turn")
    if found[0]["role"] != "user":
        raise Untranslatable("messages", "a conversation begins with a user's turn here")
    return found


def marked(blocks: list[Json], cache: CacheMark | None, takes: Family) -> list[Json]:
    """The blocks with the cache point behind them, where there is one and the model takes it."""
    if cache is None or not blocks or not takes.marks:
        return blocks
    if cache.ttl not in (None, "5m", "1h"):
        raise Untranslatable("cache_control", f"a cache lives 5m or 1h, not {cache.ttl}")
    lives = {"ttl": cache.ttl} if cache.ttl is not None and takes.hour_marks else {}
    return [*blocks, {"cachePoint": {"type": "default"} | lives}]


def call_id(identity: str) -> str:
    """The same id where Bedrock takes it, else one made from it, the same each time."""
    return identity if _ID.fullmatch(identity) else "call_" + hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:24]


def _blocks(part: Part, takes: Family, names: Counter[str], *, assistant: bool) -> list[Json]:
    match part:
        case Text():
            return marked([{"text": part.text}] if part.text else [], part.cache, takes)
        case Refusal():
            return [{"text": part.text}] if part.text else []
        case Thinking():
            return _thinking(part, takes)
        case Media() if assistant:
            raise Untranslatable("messages", "an assistant's turn holds no media here")
        case Media():
            return marked([_media(part, names)], part.cache, takes)
        case Call():
            called = {"toolUseId": call_id(part.id), "name": part.name, "input": arguments_of(part)}
            return marked([{"toolUse": called}], part.cache, takes)
        case Result():
            return marked([{"toolResult": _result(part, takes, names)}], part.cache, takes)


def _thinking(part: Thinking, takes: Family) -> list[Json]:
    """Anthropic's page on extended thinking says that a signature of Claude's holds on every platform that serves it."""
    makers = {DIALECT, ANTHROPICS} if takes.claude is not None else {DIALECT}
    if part.maker not in makers or part.signature is None:
        return []
    if part.redacted:
        return [{"reasoningContent": {"redactedContent": part.signature}}]
    return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}]


def _result(result: Result, takes: Family, names: Counter[str]) -> Json:
    """A mark inside it would stand where Converse has no place for one: it is the whole result that is marked."""
    inner: list[Json] = []
    for part in result.parts:
        if isinstance(part, Media):
            if part.kind == "audio":
                raise Untranslatable("messages", "what a tool gave back holds no sound here")
            inner.append(_media(part, names))
        elif part.text:
            inner.append({"text": part.text})
    said: Json = {"toolUseId": call_id(result.id), "content": inner}
    if not result.failed:
        return said
    if not takes.marks:
        raise Untranslatable("messages", "this model is not told that a tool failed; Claude and Nova are")
    return said | {"status": "error"}


def _media(part: Media, names: Counter[str]) -> Json:
    match part.kind:
        case "image":
            return {"image": image(part)}
        case "audio":
            return {"audio": audio(part)}
        case "file":
            return {"document": document(part, names)}
