"""OpenAI's chat completions: a caller's request from its body."""

import msgspec

from freehold.core.errors import BadRequest
from freehold.core.request import Hints, Request
from freehold.wire.egress import judge
from freehold.wire.needs import least_tokens, needs_of
from freehold.wire.openai_chat.fields import FIELDS, FLAG, HINTS, OPTIONS, TEXT, WHOLE, field

_list = msgspec.json.Decoder(list[msgspec.Raw])


def read(body: bytes) -> Request:
    """A request from its body. Raises BadRequest naming the field, what was wrong and what would be right."""
    try:
        fields = FIELDS.decode(body)
        parts: set[str] = set()
        egress = judge(fields, parts)
        needs = needs_of(fields, parts)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the body is not a chat completion request: {error}") from None
    options = field(fields, "stream_options", OPTIONS, "an object")
    model = field(fields, "model", TEXT, "a string naming a workload, target or model")
    if not model:
        raise BadRequest("model is empty; name a workload, target or model", param="model")
    if not field(fields, "messages", _list, "a list of messages"):
        raise BadRequest("messages is empty; give at least one", param="messages")
    choices = field(fields, "n", WHOLE, "a whole number")
    if choices is not None and not 1 <= choices <= 128:
        raise BadRequest(f"n is {choices}; use 1 to 128", param="n")
    limits = [field(fields, name, WHOLE, "a whole number") for name in ("max_completion_tokens", "max_tokens")]
    limit = next((limit for limit in limits if limit is not None), None)
    input_bytes = sum(len(memoryview(fields[name])) for name in ("messages", "tools") if name in fields)
    return Request(
        dialect="openai_chat",
        model=model,
        fields=fields,
        stream=field(fields, "stream", FLAG, "true or false") or False,
        wants_usage=bool(options and options.include_usage),
        choices=choices or 1,
        input_bytes=input_bytes,
        max_output_tokens=limit,
        most_output_tokens=max((limit for limit in limits if limit is not None and limit > 0), default=None),
        predicted_bytes=len(memoryview(fields["prediction"])) if "prediction" in fields else 0,
        egress=egress,
        needs=needs,
        least_tokens=least_tokens(needs, input_bytes, limit),
        hints=field(fields, "provider", HINTS, "an object of known routing hints") or Hints(),
    )
