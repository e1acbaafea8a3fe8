"""A variant in Anthropic's Messages, and in the question how many tokens such a request would be."""

from freehold.core.prompt import Parameter, Variant
from freehold.wire.prompting.words import NULL, RAWS, Fields, around_last, before, put_defaults, raw

_TEXT = frozenset({"text"})
_NAMES: dict[Parameter, str] = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop": "stop_sequences",
}  # fmt: skip


def counted(fields: Fields, variant: Variant) -> Fields:
    """The words alone: a count has no sampling."""
    said = dict(fields)
    if variant.system is not None:
        said["system"] = before(variant.system, fields.get("system", NULL), "text")
    if variant.template is not None:
        said["messages"] = raw(around_last(variant.frame, RAWS.decode(fields["messages"]), _TEXT))
    return said


def messages(fields: Fields, variant: Variant) -> Fields:
    """A request for an answer."""
    said = counted(fields, variant)
    put_defaults(said, variant, _NAMES, "Messages")
    return said
