"""The official SDKs against real engines: every surface, called and awaited, whole and streamed, native and translated.

Behind the gateway stands llama.cpp three times: as it is, as a place that takes chat completions only, and as one that takes
Anthropic's Messages only. Whoever asks whom in whichever dialect gets the same words and the same counts.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import anthropic
import openai
import pytest

from e2e.house import Child, Gateway, House, Lab, owned, rented, until
from e2e.peers import calling_engine, embedding_engine, two_calls
from e2e.sdk_asks import ASKS, AWAITED, Ask, Said, Sdks, async_sdks, dialect_of, in_words_of, messages, responses, sdks

Refused: TypeAlias = tuple[type[openai.APIStatusError | anthropic.APIStatusError], ...]

TICKET = "I was charged twice for my invoice. Thanks."
ANSWER = Said('{"label": "billing"}', "end", 44, 10)
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["urgent", "label"],
    "properties": {"urgent": {"type": "boolean"}, "label": {"enum": ["billing", "refund"]}},
}  # fmt: skip
LOOK_UP = ("look_up", {"type": "object", "properties": {"order": {"type": "string"}, "deep": {"type": "boolean"}}})
CLOSED = {
    "type": "object", "additionalProperties": False, "required": ["order", "deep"],
    "properties": {"order": {"enum": ["A", "B"]}, "deep": {"type": "boolean"}},
}  # fmt: skip
LONG = "word " * 3000
UNKNOWN_KEY: Refused = (openai.AuthenticationError, anthropic.AuthenticationError)
FORBIDDEN: Refused = (openai.PermissionDeniedError, anthropic.PermissionDeniedError)
NOT_THERE: Refused = (openai.NotFoundError, anthropic.NotFoundError)
LIMITED: Refused = (openai.RateLimitError, anthropic.RateLimitError)
BAD: Refused = (openai.BadRequestError, anthropic.BadRequestError)
ENGINES = ("native", "chat-only", "messages-only")


@pytest.fixture(scope="module")
def gateway_of_peers(house: House, tickets: Child, provider: Lab, crawling_provider: Lab) -> Iterator[Gateway]:
    """The gateway in front of all of them. The embedding engine and the API of two calls end with it."""
    v1 = f"{tickets.url}/v1"
    place = {"url": v1, "model": "tiny-tickets", "clearance": "restricted"}
    with embedding_engine() as embedder, calling_engine() as caller, two_calls() as twice:
        calls = place | {"url": f"{caller}/v1"}
        targets = {
            "tickets": owned(tickets.url, engine="llamacpp", model="tiny-tickets"),
            "tickets-chat": rented(provider, provider="openai_compatible", capabilities={"json_schema": True}, **place),
            "tickets-messages": rented(provider, provider="anthropic", **place),
            "embedder": owned(embedder, engine="llamacpp", model="embeds"),
            "lab": rented(provider),
            "crawler": rented(crawling_provider),
            "twice": rented(provider, url=twice),
            "caller": owned(caller, engine="llamacpp", model="tiny-tickets"),
            "caller-chat": rented(provider, provider="openai_compatible", **calls),
            "caller-messages": rented(provider, provider="anthropic", **calls),
        }
        names = (*ENGINES, "embeds", "lab-work", "crawling", "two-calls", *(f"calls-{name}" for name in ENGINES))
        workloads = {name: {"targets": [target]} for name, target in zip(names, targets, strict=True)}
        rules = [{"name": "hardly", "scope": "workload", "match": "scarce", "requests_per_minute": 1}]
        config = {
            "targets": targets, "limits": {"rules": rules},
            "workloads": workloads | {"scarce": {"targets": ["lab"]}},
        }  # fmt: skip
        yield house.gateway("peers", config)


@pytest.fixture(scope="module")
def callers(gateway_of_peers: Gateway) -> Iterator[Sdks]:
    with sdks(gateway_of_peers.url) as both:
        yield both


@pytest.mark.parametrize("place", ENGINES)
@pytest.mark.parametrize("ask", ASKS)
def test_the_same_answer_whoever_asks_whom(ask: Ask, place: str, callers: Sdks) -> None:
    assert ask(callers, place, TICKET, {}) == ANSWER


@pytest.mark.parametrize("place", ENGINES)
async def test_the_same_answer_awaited(place: str, gateway_of_peers: Gateway) -> None:
    async with async_sdks(gateway_of_peers.url) as both:
        for ask in AWAITED:
            assert await ask(both, place, TICKET, {}) == ANSWER, ask.__name__


def test_answers_cut_short_say_so_alike(callers: Sdks) -> None:
    said = {ask(callers, "lab-work", "[ref:1] how?", {}) for ask in ASKS}
    (only,) = said
    assert (only.stop, only.input_tokens, only.output_tokens, len(only.text.split())) == ("length", 2, 24, 24)
    assert only.text.startswith("[ref:1] ")


@pytest.mark.parametrize("place", ["native", "chat-only"])
@pytest.mark.parametrize("ask", ASKS)
def test_a_schema_is_enforced_or_nothing_is_answered(ask: Ask, place: str, callers: Sdks) -> None:
    """The model alone never says `urgent`: where it does, the engine held it to the schema."""
    said = json.loads(ask(callers, place, TICKET, in_words_of(ask, schema=SCHEMA)).text)
    assert said.keys() == {"urgent", "label"}
    assert said["label"] in {"billing", "refund"}


@pytest.mark.parametrize("ask", ASKS)
def test_a_place_that_enforces_no_schema_is_not_asked(ask: Ask, callers: Sdks) -> None:
    with pytest.raises(FORBIDDEN, match="json_schema"):
        ask(callers, "lab-work", TICKET, in_words_of(ask, schema=SCHEMA))


@pytest.mark.parametrize("ask", ASKS)
def test_a_tool_is_called_alike(ask: Ask, callers: Sdks) -> None:
    said = ask(callers, "lab-work", "[ref:42] where is it?", in_words_of(ask, tool=LOOK_UP))
    assert (said.stop, said.calls) == ("calls", (("look_up", {"order": "[ref:42]", "deep": True}),))


@pytest.mark.parametrize("place", ENGINES)
@pytest.mark.parametrize("ask", ASKS)
def test_a_real_engine_calls_a_tool(ask: Ask, place: str, callers: Sdks) -> None:
    """By constrained decoding: the bundled model knows of no tools, so what it calls with is nonsense that follows the schema."""
    require_a_call(ask(callers, f"calls-{place}", TICKET, in_words_of(ask, tool=("look_up", CLOSED), limit=160)))


@pytest.mark.parametrize("place", ENGINES)
async def test_a_real_engine_calls_a_tool_awaited(place: str, gateway_of_peers: Gateway) -> None:
    async with async_sdks(gateway_of_peers.url) as both:
        for ask in AWAITED:
            require_a_call(await ask(both, f"calls-{place}", TICKET, in_words_of(ask, tool=("look_up", CLOSED), limit=160)))


def require_a_call(said: Said) -> None:
    assert (said.text, said.stop, said.input_tokens) == ("", "calls", ANSWER.input_tokens)
    assert 20 < said.output_tokens < 160
    ((name, arguments),) = said.calls
    assert (name, arguments.keys()) == ("look_up", {"order", "deep"})
    assert arguments["order"] in {"A", "B"}
    assert isinstance(arguments["deep"], bool)


@pytest.mark.parametrize("place", ENGINES)
def test_what_a_real_call_found_goes_back_to_the_engine(place: str, callers: Sdks) -> None:
    """The turn as the SDK gave it, and the result behind it, into whatever the engine takes, which has to call again."""
    client, turns = callers.anthropic, list[Any]([{"role": "user", "content": TICKET}])
    asked: dict[str, Any] = {
        "model": f"calls-{place}", "max_tokens": 160, "tools": [{"name": "look_up", "input_schema": CLOSED}],
        "extra_body": {"temperature": 0}, "tool_choice": {"type": "any"},
    }  # fmt: skip
    first = client.messages.create(messages=turns, **asked)
    (call,) = (block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "here"}
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(messages=turns, **asked)
    assert second.stop_reason == "tool_use"
    read, again = (one.usage.input_tokens + (one.usage.cache_read_input_tokens or 0) for one in (first, second))
    assert again > read + len(json.dumps(call.input)) // 4, "both turns stand in the engine's prompt"


@pytest.mark.parametrize("ask", ASKS)
def test_two_tools_are_called_at_once(ask: Ask, callers: Sdks) -> None:
    said = ask(callers, "two-calls", "Where are A and B?", in_words_of(ask, tool=LOOK_UP))
    assert said == Said("", "calls", 11, 7, (("look_up", {"order": "A"}), ("look_up", {"order": "B"})))


def test_what_two_tools_found_goes_back_in_messages(callers: Sdks) -> None:
    """The turn with both calls is sent again as the SDK gave it, and both results in one turn."""
    tools: Any = in_words_of(messages, tool=LOOK_UP)["tools"]
    turns: list[Any] = [{"role": "user", "content": "Where are A and B?"}]
    client = callers.anthropic
    first = client.messages.create(model="two-calls", max_tokens=64, messages=turns, tools=tools)
    found = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "here"} for block in first.content if block.type == "tool_use"
    ]
    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": found}]
    second = client.messages.create(model="two-calls", max_tokens=64, messages=turns, tools=tools)
    assert [block.text for block in second.content if block.type == "text"] == ["call_a=here call_b=here"]


def test_what_two_tools_found_goes_back_in_responses(callers: Sdks) -> None:
    tools: Any = in_words_of(responses, tool=LOOK_UP)["tools"]
    client = callers.openai
    turns: list[Any] = [{"role": "user", "content": "Where are A and B?"}]
    first = client.responses.create(model="two-calls", input=turns, tools=tools)
    turns += first.output
    turns += [
        {"type": "function_call_output", "call_id": item.call_id, "output": "here"}
        for item in first.output
        if item.type == "function_call"
    ]
    second = client.responses.create(model="two-calls", input=turns, tools=tools)
    assert second.output_text == "call_a=here call_b=here"


@pytest.mark.parametrize("place", ENGINES)
def test_what_a_coding_client_sends_along_is_taken_everywhere(place: str, callers: Sdks) -> None:
    """Fields, roles and flags as Claude Code 2.1 sends them, with its text replaced by a ticket."""
    kept = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    sent: dict[str, Any] = {
        "max_tokens": 24, "metadata": {"user_id": "someone"}, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"}, "extra_body": {"context_management": kept, "temperature": 0},
        "system": [{"type": "text", "text": "You sort tickets.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": TICKET, "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": "Nobody else reads this."},
        ],
        "tools": [{"name": LOOK_UP[0], "input_schema": LOOK_UP[1]}],
        "extra_headers": {"anthropic-beta": "claude-code-20250219,mid-conversation-system-2026-04-07,effort-2025-11-24"},
    }  # fmt: skip
    raw = callers.anthropic.messages.with_raw_response.create(model=place, extra_query={"beta": "true"}, **sent)
    assert raw.parse().stop_reason in {"end_turn", "max_tokens"}
    left_out = {"cache_control", "context_management", "metadata"} if place == "chat-only" else set()
    assert set(filter(None, raw.headers.get("x-freehold-left-out", "").split(", "))) == left_out


def test_legacy_completions_and_a_stream_of_them(callers: Sdks) -> None:
    fields: dict[str, Any] = {"prompt": TICKET, "max_tokens": 8, "temperature": 0}
    client = callers.openai
    whole = client.completions.create(model="native", **fields)
    chunks = list(client.completions.create(model="native", stream=True, **fields))
    elsewhere = client.completions.create(model="messages-only", **fields)
    assert whole.usage is not None
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert elsewhere.choices[0].text, "a prompt is said as a turn where only turns are taken"


def test_embeddings_of_the_real_engine(callers: Sdks, gateway_of_peers: Gateway) -> None:
    """The SDK asks for base64 and hands out numbers; the same words are the same numbers."""
    client = callers.openai
    raw = client.embeddings.with_raw_response.create(model="embeds", input=["a refund", "a refund", "the invoice"])
    made = raw.parse()
    one, again, other = (item.embedding for item in made.data)
    assert len(one) == 32
    assert one == again != other
    entry = gateway_of_peers.entry(raw.headers["x-request-id"])
    assert (entry["uncached_input"] + (entry["cache_read"] or 0), entry["answer_output"]) == (made.usage.prompt_tokens, 0)


def test_asking_an_engine_for_what_it_has_not_cools_nothing_down(callers: Sdks) -> None:
    client = callers.openai
    for _ in range(8):
        with pytest.raises(openai.APIStatusError, match="501") as refused:
            client.embeddings.create(model="native", input="a refund")
        assert refused.value.status_code == 502
    assert ASKS[0](callers, "native", TICKET, {}) == ANSWER


def test_models_are_listed_for_either_sdk(callers: Sdks) -> None:
    one, other = callers
    listed = [model.id for model in one.models.list()]
    assert {*ENGINES, "tickets", "lab"} <= set(listed)
    assert [model.id for model in other.models.list()] == listed
    assert one.models.retrieve("native").id == other.models.retrieve("native").id == "native"


def test_tokens_are_counted_as_they_are_billed_later(callers: Sdks) -> None:
    client = callers.anthropic
    turns: list[Any] = [{"role": "user", "content": TICKET}]
    assert client.messages.count_tokens(model="native", messages=turns).input_tokens == ANSWER.input_tokens
    assert client.messages.count_tokens(model="chat-only", messages=turns).input_tokens > 0


def test_a_wrong_key(gateway_of_peers: Gateway) -> None:
    with sdks(gateway_of_peers.url, "fh_wrong") as strangers:
        for ask in ASKS:
            with pytest.raises(UNKNOWN_KEY, match="unknown API key"):
                ask(strangers, "native", TICKET, {})


def test_a_wrong_model(callers: Sdks) -> None:
    for ask in ASKS:
        with pytest.raises(NOT_THERE, match="gpt-17") as missing:
            ask(callers, "gpt-17", TICKET, {})
        assert missing.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("place", ENGINES)
def test_a_bad_field_is_named(ask: Ask, place: str, callers: Sdks) -> None:
    with pytest.raises(BAD, match="tools: Expected"):
        ask(callers, place, TICKET, {"extra_body": {"tools": {"name": "f"}}})
    name, value = {"chat": ("n", 0), "responses": ("max_output_tokens", 0), "messages": ("max_tokens", -1)}[dialect_of(ask)]
    with pytest.raises(BAD, match=f"{name} is {value}; use"):
        ask(callers, place, TICKET, {name: value})


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("place", ENGINES)
def test_a_prompt_that_is_too_long_is_refused_in_the_engines_words(ask: Ask, place: str, callers: Sdks) -> None:
    with pytest.raises(BAD, match="exceeds the available context size"):
        ask(callers, place, LONG, {})


def test_a_limit_says_when_to_come_back(callers: Sdks) -> None:
    ASKS[0](callers, "scarce", "hi", {})
    for ask in ASKS:
        with pytest.raises(LIMITED) as limited:
            ask(callers, "scarce", "hi", {})
        assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60
        assert limited.value.response.headers["x-should-retry"] == "true"


def test_a_caller_of_messages_who_times_out_mid_stream(gateway_of_peers: Gateway) -> None:
    turns: list[Any] = [{"role": "user", "content": "hi"}]
    with sdks(gateway_of_peers.url, timeout=0.7) as hurried:
        raw = hurried.anthropic.messages.with_raw_response.create(model="crawling", messages=turns, max_tokens=500, stream=True)
        seen: list[str] = []
        with pytest.raises(Exception, match="timed out"):  # its HTTP client's own class, where a stream has begun
            seen.extend(event.type for event in raw.parse())
    assert "content_block_delta" in seen
    _is_settled_as_cancelled(gateway_of_peers, raw.headers["x-request-id"])


def test_a_caller_of_responses_who_times_out_mid_stream(gateway_of_peers: Gateway) -> None:
    with sdks(gateway_of_peers.url, timeout=0.7) as hurried:
        raw = hurried.openai.responses.with_raw_response.create(model="crawling", input="hi", max_output_tokens=500, stream=True)
        seen: list[str] = []
        with pytest.raises(openai.APITimeoutError):
            seen.extend(event.type for event in raw.parse())
    assert "response.output_text.delta" in seen
    _is_settled_as_cancelled(gateway_of_peers, raw.headers["x-request-id"])


def _is_settled_as_cancelled(gateway: Gateway, request_id: str) -> None:
    until(lambda: request_id in {entry["id"] for entry in gateway.entries()}, "the entry is written")
    entry = gateway.entry(request_id)
    assert (entry["outcome"], entry["status"], entry["usage_source"]) == ("cancelled", 499, "estimated")
    assert entry["answer_output"] >= 1
