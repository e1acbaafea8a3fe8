"""One request as one target is to read it: in the variant of the prompt that its workload has for that target."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.prompt import Variant
from freehold.core.request import Dialect, Request
from freehold.wire.prompting import anthropic, openai
from freehold.wire.prompting.words import Fields

Saying: TypeAlias = Callable[[Fields, Variant], Fields]

# A dialect that is not here has no prompt to put anything into: embeddings.
SAYINGS: Mapping[Dialect, Saying] = {
    "openai_chat": openai.chat,
    "openai_completions": openai.completions,
    "openai_responses": openai.responses,
    "anthropic_messages": anthropic.messages,
    "anthropic_count_tokens": anthropic.counted,
}


def prompted(request: Request, variant: Variant) -> Request:
    """The request in that variant, as long as it is then. Raises Untranslatable where the dialect cannot say it, BadRequest."""
    saying = SAYINGS.get(request.dialect)
    if saying is None:
        raise Untranslatable("prompt", f"variant {variant.name} is for prompts, and {request.dialect} has none")
    try:
        fields = saying(request.fields, variant)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"the prompt cannot be read: {error}") from None
    grown = _size(fields) - _size(request.fields)
    return msgspec.structs.replace(
        request, fields=fields, input_bytes=max(0, request.input_bytes + grown),
        least_tokens=request.least_tokens + variant.least_tokens,
    )  # fmt: skip


def _size(fields: Fields) -> int:
    return sum(len(memoryview(value)) for value in fields.values())
