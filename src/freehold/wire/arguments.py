"""The arguments of a tool call for dialects that take them as an object, where ours are text."""

import msgspec

from freehold.core.conversation import Call, Untranslatable


def arguments_of(call: Call) -> msgspec.Raw:
    """As the object that they are written as. Raises Untranslatable where they are none."""
    try:
        value = msgspec.json.decode(call.arguments or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Untranslatable("tool_calls", f"the arguments of a call of {call.name} are no JSON object")
    return msgspec.Raw((call.arguments or "{}").encode())
