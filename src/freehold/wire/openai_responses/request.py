"""OpenAI's Responses: a caller's request from its body.

`store` counts as egress where the caller states it. Where it is absent a vendor would keep the answer all the same: that default
is none of ours, and every call towards a target says `store: false` then (see native.py). So nothing is kept that nobody asked
to keep, whatever the target is cleared for.
"""

import msgspec

from freehold.core.errors import BadRequest
from freehold.core.request import Hints, Request
from freehold.wire.egress import RESPONSES, Fields, judge
from freehold.wire.needs import least_tokens, responses_needs_of
from freehold.wire.openai_chat.fields import FIELDS, FLAG, HINTS, NULL, TEXT, WHOLE, field
from freehold.wire.openai_responses.signatures import is_ours


class _Item(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    content: msgspec.Raw = NULL
    encrypted_content: str | None = None


# Items that say all there is to say by themselves, and those that a tool of the provider wrote or that bring such tools along.
_SELF_CONTAINED = frozenset(
    "function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call local_shell_call_output"
    " apply_patch_call apply_patch_call_output computer_call_output compaction".split()
)
_OF_SERVER_TOOLS = frozenset(
    "web_search_call computer_call shell_call shell_call_output tool_search_call tool_search_output additional_tools".split()
)
_CHAINS = ("previous_response_id", "conversation", "prompt")
_items = msgspec.json.Decoder(list[_Item])


def read(body: bytes) -> Request:
    """A request from its body. Raises BadRequest naming the field, what was wrong and what would be right."""
    try:
        fields = FIELDS.decode(body)
        parts: set[str] = set()
        egress = judge(fields, parts, RESPONSES) | _led_by_items(fields)
        needs = responses_needs_of(fields, parts)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the body is not a Responses request: {error}") from None
    model = field(fields, "model", TEXT, "a string naming a workload, target or model")
    if not model:
        raise BadRequest("model is empty; name a workload, target or model", param="model")
    if bytes(fields.get("input", NULL)) in (b"null", b'""', b"[]") and not any(name in fields for name in _CHAINS):
        raise BadRequest(f"input is {'empty' if 'input' in fields else 'missing'}; give a text or items", param="input")
    if field(fields, "background", FLAG, "true or false"):
        raise BadRequest("background is true; answers are not kept here to be fetched later", param="background")
    limit = field(fields, "max_output_tokens", WHOLE, "a whole number")
    if limit is not None and limit < 1:
        raise BadRequest(f"max_output_tokens is {limit}; use a whole number above 0", param="max_output_tokens")
    input_bytes = sum(len(memoryview(fields[name])) for name in ("input", "instructions", "tools") if name in fields)
    return Request(
        dialect="openai_responses",
        model=model,
        fields=fields,
        stream=field(fields, "stream", FLAG, "true or false") or False,
        wants_usage=True,
        input_bytes=input_bytes,
        max_output_tokens=limit,
        most_output_tokens=limit,
        egress=egress,
        needs=needs,
        least_tokens=least_tokens(needs, input_bytes, limit),
        hints=field(fields, "provider", HINTS, "an object of known routing hints") or Hints(),
    )


def _led_by_items(fields: Fields) -> frozenset[str]:
    """What the items of a judged input ask for besides what stands in them: what is not known to be whole refers to kept data."""
    raw = fields.get("input", NULL)
    if memoryview(raw)[0] != ord("["):
        return frozenset()
    kinds: set[str] = set()
    for item in _items.decode(raw):
        if item.type in _OF_SERVER_TOOLS:
            kinds.add("server_tools")
        elif not _is_whole(item):
            kinds.add("chain")
    return frozenset(kinds)


def _is_whole(item: _Item) -> bool:
    """Reasoning with an id alone is looked up where it is kept; sealed it says all, and what was written here is kept nowhere."""
    if item.type in (None, "message"):
        return bytes(item.content) != b"null"
    if item.type == "reasoning":
        return bool(item.encrypted_content) or item.id is None or is_ours(item.id)
    return item.type in _SELF_CONTAINED
