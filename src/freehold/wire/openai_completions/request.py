"""Legacy completions: a caller's request from its body, and as a conversation in no dialect."""

from freehold.core.capability import Capability
from freehold.core.conversation import Conversation, Text, Turn, Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.request import Hints, Request
from freehold.wire.egress import CHAT, Table, judge
from freehold.wire.needs import least_tokens, needs_of
from freehold.wire.openai_chat.fields import FIELDS, FLAG, HINTS, OPTIONS, TEXT, WHOLE, field
from freehold.wire.openai_chat.params import Fields, is_given, leftovers, sampling
from freehold.wire.openai_completions.prompts import prompts_of

_MOST_CHOICES = 128
_FIELDS = Table(
    fields=frozenset(
        "model prompt suffix max_tokens max_completion_tokens n best_of echo stop seed temperature top_p top_k min_p typical_p"
        " logprobs logit_bias frequency_penalty presence_penalty repetition_penalty user stream stream_options provider"
        " response_format guided_json guided_regex guided_choice ignore_eos min_tokens stop_token_ids cache_prompt grammar"
        " json_schema".split()
    ),
    chains=CHAT.chains, tools=CHAT.tools, elsewhere=CHAT.elsewhere, message=frozenset(), parts={}, local_tools=CHAT.local_tools,
)  # fmt: skip
_TYPED = frozenset({"prompt"})
# What only this dialect has, and the value that asks for nothing.
_OWN = {"echo": (False,), "best_of": (1,), "suffix": ("",), "logprobs": ()}


def read(body: bytes) -> Request:
    """A request from its body. Raises BadRequest naming the field, what was wrong and what would be right."""
    try:
        fields = FIELDS.decode(body)
        egress = judge(fields, set(), _FIELDS)
        needs = needs_of(fields, frozenset())
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the body is not a completion request: {error}") from None
    model = field(fields, "model", TEXT, "a string naming a workload, target or model")
    if not model:
        raise BadRequest("model is empty; name a workload, target or model", param="model")
    prompts = prompts_of(fields, "prompt")
    stream = field(fields, "stream", FLAG, "true or false") or False
    choices, drawn = _choices(fields, stream=stream)
    options = field(fields, "stream_options", OPTIONS, "an object")
    limits = [field(fields, name, WHOLE, "a whole number") for name in ("max_tokens", "max_completion_tokens")]
    needs |= _own_needs(fields, drawn)
    return Request(
        dialect="openai_completions",
        model=model,
        fields=fields,
        stream=stream,
        wants_usage=bool(options and options.include_usage),
        choices=prompts.count * max(choices, drawn),
        input_bytes=prompts.input_bytes,
        max_output_tokens=limits[0],
        most_output_tokens=max((limit for limit in limits if limit is not None and limit > 0), default=None),
        egress=egress,
        needs=needs,
        least_tokens=prompts.longest_tokens + least_tokens(needs, prompts.longest_bytes, limits[0]),
        hints=field(fields, "provider", HINTS, "an object of known routing hints") or Hints(),
    )


def parse(request: Request) -> Conversation:
    """One text as one turn of the user's. Raises Untranslatable for what only a completion has, BadRequest."""
    prompts = prompts_of(request.fields, "prompt")
    if prompts.text is None:
        raise Untranslatable("prompt", "only a single text can be asked in another dialect, not token ids or several prompts")
    for name, nothing in _OWN.items():
        if is_given(request.fields, name) and not _is_one_of(request.fields, name, nothing):
            raise Untranslatable(name, "only legacy completions have it in this sense")
    others, hints = leftovers(request.fields, _TYPED | _OWN.keys())
    return Conversation(
        turns=(Turn("user", (Text(prompts.text),)),), others=others, hints=frozenset(hints), **sampling(request)
    )  # fmt: skip


def _choices(fields: Fields, *, stream: bool) -> tuple[int, int]:
    """(answers to each prompt, answers drawn for each and billed)."""
    choices, drawn = (field(fields, name, WHOLE, "a whole number") for name in ("n", "best_of"))
    for name, count in (("n", choices), ("best_of", drawn)):
        if count is not None and not 1 <= count <= _MOST_CHOICES:
            raise BadRequest(f"{name} is {count}; use 1 to {_MOST_CHOICES}", param=name)
    choices = choices or 1
    if stream and drawn is not None and drawn > choices:
        raise BadRequest(f"best_of is {drawn} in a stream; only whole answers can be compared", param="best_of")
    return choices, drawn or choices


def _own_needs(fields: Fields, drawn: int) -> set[Capability]:
    """Here `logprobs` of 0 asks for those of the answer's own tokens."""
    needs: set[Capability] = set()
    if field(fields, "logprobs", WHOLE, "a whole number") is not None:
        needs.add("logprobs")
    if drawn > 1:
        needs.add("choices")
    return needs


def _is_one_of(fields: Fields, name: str, values: tuple[object, ...]) -> bool:
    decoder = {"echo": FLAG, "best_of": WHOLE, "logprobs": WHOLE, "suffix": TEXT}[name]
    return field(fields, name, decoder, "of the type that the dialect gives it") in values
