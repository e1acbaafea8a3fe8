"""A variant in the dialects of OpenAI's: chat completions, legacy completions, Responses."""

from freehold.core.conversation import Untranslatable
from freehold.core.prompt import PARAMETERS, Parameter, Variant
from freehold.wire.prompting.words import NULL, RAWS, Fields, around, around_last, before, object_of, put_defaults, raw, word

_CHAT_TEXT, _RESPONSES_TEXT = frozenset({"text"}), frozenset({"input_text"})
_SYSTEM = frozenset({"system", "developer"})
_SAMPLING: dict[Parameter, str] = {name: name for name in PARAMETERS}


def chat(fields: Fields, variant: Variant) -> Fields:
    """A chat request. The first message stays the only one that opens it: some servers take no second system message."""
    said, messages = dict(fields), RAWS.decode(fields["messages"])
    if variant.template is not None:
        messages = around_last(variant.frame, messages, _CHAT_TEXT)
    if variant.system is not None:
        first = object_of(messages[0]) if messages else None
        if first is not None and word(first.get("role", NULL)) in _SYSTEM:
            messages[0] = raw({**first, "content": before(variant.system, first.get("content", NULL), "text")})
        else:
            messages = [raw({"role": "system", "content": variant.system}), *messages]
    said["messages"] = raw(messages)
    put_defaults(said, variant, _SAMPLING, "chat completions")
    return said


def completions(fields: Fields, variant: Variant) -> Fields:
    """A legacy completion: its system text stands before each prompt. Raises Untranslatable for token ids."""
    said, prompt = dict(fields), fields["prompt"]
    ahead, behind = variant.frame
    frame = (ahead if variant.system is None else f"{variant.system}\n\n{ahead}", behind)
    if frame != ("", ""):
        alone = word(prompt) is not None
        framed = [around(frame, text) for text in ([prompt] if alone else RAWS.decode(prompt))]
        if None in framed:
            raise Untranslatable("prompt", f"variant {variant.name} is text, and token ids have none for it to stand around")
        said["prompt"] = raw(framed[0] if alone else framed)
    put_defaults(said, variant, _SAMPLING, "legacy completions")
    return said


def responses(fields: Fields, variant: Variant) -> Fields:
    """A Responses request: `instructions` and `input`."""
    said, given = dict(fields), fields.get("input", NULL)
    if variant.system is not None:
        said["instructions"] = before(variant.system, fields.get("instructions", NULL), "input_text")
    if variant.template is not None:
        if word(given) is not None:
            said["input"] = around(variant.frame, given) or given
        elif memoryview(given)[0] == ord("["):
            said["input"] = raw(around_last(variant.frame, RAWS.decode(given), _RESPONSES_TEXT))
    put_defaults(said, variant, {"temperature": "temperature", "top_p": "top_p"}, "Responses")
    return said
