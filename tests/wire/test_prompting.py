"""A variant in a request: where its words stand in each dialect, and that nothing else of the request changes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.prompt import Variant, variant
from freehold.core.request import Dialect, Request
from freehold.wire.prompting.request import SAYINGS, prompted

V2 = variant("v2", "Answer in one word.", "Ticket: {content}\nLabel:", {"temperature": 0.0})
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARTS = st.one_of(
    TEXT,
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}),
            st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": TEXT})}),
        ),
        max_size=3,
    ),
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": PARTS}),
    min_size=1,
    max_size=6,
)


def request(dialect: Dialect, **body: Any) -> Request:
    fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
    return Request(dialect=dialect, model="w", fields=fields, input_bytes=len(msgspec.json.encode(body)), least_tokens=3)


def said(dialect: Dialect, how: Variant = V2, **body: Any) -> Any:
    return {name: msgspec.json.decode(raw) for name, raw in prompted(request(dialect, **body), how).fields.items()}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_chat_puts_the_words_where_they_belong() -> None:
    turns = [{"role": "system", "content": "Be kind."}, user("first"), {"role": "assistant", "content": "ok"}, user("it broke")]
    body = said("openai_chat", messages=turns)
    assert body["messages"] == [
        {"role": "system", "content": "Answer in one word.\n\nBe kind."}, *turns[1:3], user("Ticket: it broke\nLabel:")
    ]  # fmt: skip
    assert body["temperature"] == 0


def test_chat_without_a_system_message_gets_one_and_parts_stay_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    parts = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    body = said("openai_chat", messages=[user(parts)])
    first, last = {"type": "text", "text": "Ticket: a"}, {"type": "text", "text": "b\nLabel:"}
    assert body["messages"] == [{"role": "system", "content": "Answer in one word."}, user([first, image, last])]


def test_developers_words_given_as_parts_keep_their_role() -> None:
    own = {"type": "text", "text": "own"}
    body = said("openai_chat", messages=[{"role": "developer", "content": [own]}, user("x")])
    assert body["messages"][0] == {"role": "developer", "content": [{"type": "text", "text": "Answer in one word."}, own]}


def test_messages_have_their_system_apart_and_results_of_tools_are_no_words_of_the_users() -> None:
    result = user([{"type": "tool_result", "tool_use_id": "t", "content": "42"}])
    turns = [user("how many?"), {"role": "assistant", "content": "..."}, result]
    how = variant("v", "Short.", "Q: {content}", {"stop": ["\n"], "top_k": 3})
    body = said("anthropic_messages", how, messages=turns, system=[{"type": "text", "text": "own"}], max_tokens=5)
    assert body["system"] == [{"type": "text", "text": "Short."}, {"type": "text", "text": "own"}]
    assert body["messages"] == [user("Q: how many?"), *turns[1:]]
    assert (body["stop_sequences"], body["top_k"]) == (["\n"], 3)
    counted = said("anthropic_count_tokens", how, messages=turns)
    assert counted == {"messages": body["messages"], "system": "Short."}, "a count is of the words, and has no sampling"


def test_responses() -> None:
    body = said("openai_responses", input="it broke", instructions="Be kind.")
    assert (body["input"], body["instructions"]) == ("Ticket: it broke\nLabel:", "Answer in one word.\n\nBe kind.")
    turns = [{"type": "message", **user([{"type": "input_text", "text": "it broke"}])}, {"type": "function_call", "name": "f"}]
    body = said("openai_responses", input=turns)
    assert body["input"][0]["content"] == [{"type": "input_text", "text": "Ticket: it broke\nLabel:"}]
    assert body["input"][1] == turns[1]
    assert body["instructions"] == "Answer in one word."


def test_completions_take_every_text_and_refuse_token_ids() -> None:
    assert said("openai_completions", prompt="x")["prompt"] == "Answer in one word.\n\nTicket: x\nLabel:"
    assert said("openai_completions", prompt=["a", "b"])["prompt"][1] == "Answer in one word.\n\nTicket: b\nLabel:"
    for ids in ([1, 2], [[1, 2]]):
        with pytest.raises(Untranslatable, match="token ids"):
            said("openai_completions", prompt=ids)
        assert said("openai_completions", variant("v", None, None, {"seed": 1}), prompt=ids)["prompt"] == ids


def test_braces_in_the_operators_own_text_are_text() -> None:
    how = variant("v", "JSON like {content}", "<{content}>", {})
    assert said("openai_completions", how, prompt="{content}")["prompt"] == "JSON like {content}\n\n<{content}>"


@pytest.mark.parametrize("stated", [0.7, 0])
def test_what_the_caller_says_stands(stated: float) -> None:
    assert said("openai_chat", messages=[user("x")], temperature=stated)["temperature"] == stated
    assert said("openai_chat", messages=[user("x")], temperature=None)["temperature"] == 0


@pytest.mark.parametrize(
    ("dialect", "body", "name"),
    [
        ("anthropic_messages", {"messages": [user("x")], "max_tokens": 1}, "seed"),
        ("openai_responses", {"input": "x"}, "stop"),
        ("openai_responses", {"input": "x"}, "top_k"),
    ],
)
def test_a_parameter_that_the_dialect_lacks_is_refused_by_name(dialect: Dialect, body: dict[str, Any], name: Any) -> None:
    with pytest.raises(Untranslatable, match=f"v9 sets {name}"):
        said(dialect, variant("v9", None, None, {name: 1}), **body)


def test_embeddings_have_no_prompt() -> None:
    assert "openai_embeddings" not in SAYINGS
    with pytest.raises(Untranslatable, match="openai_embeddings has none"):
        said("openai_embeddings", input="x")


def test_content_that_cannot_be_read_is_the_callers_to_mend() -> None:
    broken = msgspec.structs.replace(
        request("openai_chat"), fields={"messages": msgspec.Raw(b'[{"role":"user","content":"\\ud800"}]')}
    )
    with pytest.raises(BadRequest, match="the prompt cannot be read"):
        prompted(broken, V2)


def test_it_counts_for_what_bounds_a_request() -> None:
    long = variant("v", "s" * 320, None, {})
    before = request("openai_chat", messages=[user("x")])
    after = prompted(before, long)
    assert after.least_tokens == before.least_tokens + 10
    assert after.input_bytes >= before.input_bytes + 320


def test_the_digest_is_of_the_words_alone() -> None:
    assert variant("a", "s", None, {}).digest == variant("b", "s", None, {}).digest
    different: list[tuple[Any, Any, Any]] = [("s", None, {}), ("t", None, {}), (None, "s{content}", {}), ("s", None, {"seed": 1})]
    assert len({variant("a", *one).digest for one in different}) == 4


@given(messages=MESSAGES, system=st.none() | TEXT, template=st.none() | TEXT)
def test_no_other_message_changes(messages: list[dict[str, Any]], system: str | None, template: str | None) -> None:
    frame = None if template is None else f"{template}{{content}}{template}"
    how = variant("v", system, frame, {})
    after = said("openai_chat", how, messages=messages)["messages"]
    if len(after) > len(messages):
        assert after.pop(0) == {"role": "system", "content": system}
    assert len(after) == len(messages)
    changed = [at for at, (old, new) in enumerate(zip(messages, after, strict=True)) if old != new]
    with_text = [at for at, old in enumerate(messages) if old["role"] == "user" and _texts(old["content"])]
    opens = {0} if messages[0]["role"] == "system" and system is not None else set()
    assert set(changed) <= opens | set(with_text[-1:])
    for at in changed:
        old, new = _texts(messages[at]["content"]), _texts(after[at]["content"])
        assert all(text in "".join(new) for text in old), "the caller's own words are still there"
        assert [p for p in messages[at]["content"] if _is_other(p)] == [p for p in after[at]["content"] if _is_other(p)]
        assert {**messages[at], "content": 0} == {**after[at], "content": 0}


@given(messages=MESSAGES, system=TEXT, template=TEXT)
def test_every_other_message_keeps_its_bytes(messages: list[dict[str, Any]], system: str, template: str) -> None:
    spaced = [msgspec.json.format(msgspec.json.encode(message), indent=1) for message in messages]
    fields = {"messages": msgspec.Raw(b"[" + b" , ".join(spaced) + b"]"), "tools": msgspec.Raw(b'[ {"a" : 1.50} ]')}
    before = Request(dialect="openai_chat", model="w", fields=dict(fields))
    after = prompted(before, variant("v", system, f"{template}{{content}}", {}))
    kept = {bytes(raw) for raw in msgspec.json.decode(after.fields["messages"], type=list[msgspec.Raw])}
    assert sum(one not in kept for one in spaced) <= 2, "the one that opens it, and the user's last"
    assert after.fields["tools"] == fields["tools"]
    assert before.fields == fields


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if part["type"] == "text"]


def _is_other(part: Any) -> bool:
    return isinstance(part, dict) and part["type"] != "text"
