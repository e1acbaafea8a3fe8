"""A whole answer of Converse. It says neither its id nor its model's name, nor does a stream: the id is made here."""

import secrets

from freehold.core.conversation import Call, Text, Thinking
from freehold.core.said import Choice, Said, Whole
from freehold.core.usage import UsageSource
from freehold.wire.bedrock_converse.models import DIALECT
from freehold.wire.bedrock_converse.replies import Block, Reasoning, ToolUse, answers, sequence_of, stop_of, tier_of
from freehold.wire.bedrock_converse.usage import read_usage


def answer_id() -> str:
    """For an answer that has none: callers tell answers apart by it."""
    return f"converse-{secrets.token_hex(12)}"


def whole_of(body: bytes, source: UsageSource) -> Whole:
    """Raises ValueError on an error body, or anything else that is no answer."""
    seen = answers.decode(body)
    stop = stop_of(seen.stopReason)
    if stop is None:
        raise ValueError(f"200 with no finished answer in it ({seen.stopReason[:64]})")
    usage, raw = read_usage(seen.usage, source)
    parts = tuple(part for block in seen.output.message.content for part in _parts(block))
    sequence = sequence_of(seen.additionalModelResponseFields) if stop == "stop_sequence" else None
    return Whole(
        id=answer_id(), model="", choices=(Choice(parts=parts, stop=stop, stop_sequence=sequence),), usage=usage, raw_usage=raw,
        service_tier=tier_of(seen.serviceTier),
    )  # fmt: skip


def require_local(call: ToolUse) -> None:
    """ValueError where Bedrock runs the tool itself: none of those was offered."""
    if call.type is not None:
        raise ValueError("an answer holds a call of a tool that was not offered")


def _parts(block: Block) -> list[Said]:
    match block:
        case Block(text=str() as text):
            return [Text(text)] if text else []
        case Block(toolUse=ToolUse() as call):
            require_local(call)
            arguments = bytes(call.input).decode()
            if not arguments.startswith("{"):
                raise ValueError("a tool was called with arguments that are no JSON object")
            return [Call(call.toolUseId, call.name, arguments)]
        case Block(reasoningContent=Reasoning() as reasoning):
            return [_thinking(reasoning)]
    raise ValueError("an answer holds a block of a kind that was not asked for")


def _thinking(seen: Reasoning) -> Thinking:
    if seen.redactedContent is not None:
        return Thinking("", seen.redactedContent, True, DIALECT)
    if seen.reasoningText is None:
        raise ValueError("an answer holds reasoning of a kind that is not known here")
    signature = seen.reasoningText.signature or None
    return Thinking(seen.reasoningText.text, signature, maker=None if signature is None else DIALECT)
