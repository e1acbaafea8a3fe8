"""Embeddings: a caller's request from its body."""

from freehold.core.errors import BadRequest
from freehold.core.request import Hints, Request
from freehold.wire.egress import CHAT, Table, judge
from freehold.wire.needs import least_tokens
from freehold.wire.openai_chat.fields import FIELDS, FLAG, HINTS, TEXT, WHOLE, field
from freehold.wire.openai_chat.params import is_given
from freehold.wire.openai_completions.prompts import prompts_of

_FORMATS = frozenset({"float", "base64"})
_FIELDS = Table(
    fields=frozenset("model input dimensions encoding_format user provider stream".split()), chains=CHAT.chains, tools=CHAT.tools,
    elsewhere=CHAT.elsewhere, message=frozenset(), parts={}, local_tools=CHAT.local_tools,
)  # fmt: skip


def read(body: bytes) -> Request:
    """A request from its body: nothing is generated, so it bills its input only. Raises BadRequest naming the field."""
    try:
        fields = FIELDS.decode(body)
        egress = judge(fields, set(), _FIELDS)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the body is not an embeddings request: {error}") from None
    model = field(fields, "model", TEXT, "a string naming a workload, target or model")
    if not model:
        raise BadRequest("model is empty; name a workload, target or model", param="model")
    inputs = prompts_of(fields, "input")
    if field(fields, "stream", FLAG, "true or false"):
        raise BadRequest("stream is true; embeddings come whole, leave it out", param="stream")
    dimensions = field(fields, "dimensions", WHOLE, "a whole number")
    if dimensions is not None and dimensions < 1:
        raise BadRequest(f"dimensions is {dimensions}; use a whole number above 0", param="dimensions")
    if is_given(fields, "encoding_format") and field(fields, "encoding_format", TEXT, "float or base64") not in _FORMATS:
        raise BadRequest("encoding_format is neither float nor base64", param="encoding_format")
    return Request(
        dialect="openai_embeddings",
        model=model,
        fields=fields,
        input_bytes=inputs.input_bytes,
        most_output_tokens=0,
        egress=egress,
        least_tokens=inputs.longest_tokens + least_tokens(frozenset(), inputs.longest_bytes, None),
        hints=field(fields, "provider", HINTS, "an object of known routing hints") or Hints(),
    )
