"""The lab's other wires, asked by the official SDKs: what they read is what the lab counted."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam
from lab_client import chat, get, post
from openai import AsyncOpenAI

from freehold.lab.embeddings import vector
from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.server import serving

KEY = "key-of-the-lab"
SAYS: list[MessageParam] = [{"role": "user", "content": [{"type": "text", "text": "say [ref:w] it"}]}]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with serving(build_provider(ProviderSettings(ttft_ms=1, tokens_per_s=2000, event_ms=1, key=KEY))) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def claude(url: str) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


async def test_a_message_says_what_a_completion_says(url: str, claude: AsyncAnthropic) -> None:
    message: Any = await claude.messages.create(model="m", max_tokens=12, messages=SAYS)
    completion = await post(url, chat("say [ref:w] it", max_tokens=12), authorization=f"Bearer {KEY}")
    assert message.content[0].text == completion.json["choices"][0]["message"]["content"]
    assert (message.usage.input_tokens, message.usage.output_tokens, message.stop_reason) == (3, 12, "max_tokens")


async def test_a_stream_adds_up_to_the_message(claude: AsyncAnthropic) -> None:
    whole: Any = await claude.messages.create(model="m", max_tokens=12, messages=SAYS)
    async with claude.messages.stream(model="m", max_tokens=12, messages=SAYS) as stream:
        streamed: Any = await stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text
    assert (streamed.usage.input_tokens, streamed.usage.output_tokens) == (3, 12)


@pytest.mark.parametrize(
    ("fault", "raised", "kind"),
    [
        ("rate_limit", anthropic.RateLimitError, "rate_limit_error"),
        ("error_401", anthropic.AuthenticationError, "authentication_error"),
        ("error_500", anthropic.InternalServerError, "api_error"),
        ("error_529", anthropic.APIStatusError, "overloaded_error"),
    ],
)
async def test_errors_have_the_shape_of_the_dialect(
    claude: AsyncAnthropic, fault: str, raised: type[anthropic.APIStatusError], kind: str
) -> None:
    with pytest.raises(raised) as caught:
        await claude.messages.create(model=f"m+fault:{fault}", max_tokens=12, messages=SAYS)
    body: Any = caught.value.body
    assert body["error"]["type"] == kind


async def test_money_that_ran_out_has_its_own_code(claude: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        await claude.messages.create(model="m+fault:quota", max_tokens=12, messages=SAYS)
    body: Any = caught.value.body
    assert body["error"]["details"]["error_code"].endswith("spend_limit_reached")


async def test_an_error_event_ends_a_stream_of_messages(claude: AsyncAnthropic) -> None:
    stream = await claude.messages.create(model="m+fault:error_event", max_tokens=12, messages=SAYS, stream=True)
    said: list[Any] = []
    with pytest.raises(anthropic.APIStatusError):
        await _read(stream, said)
    assert "".join(event.delta.text for event in said if event.type == "content_block_delta").startswith("[ref:w]")


async def _read(stream: AsyncIterator[Any], said: list[Any]) -> None:
    async for event in stream:
        said.append(event)  # noqa: PERF401  what came before an error is to be kept


async def test_a_message_without_its_bound_is_refused(url: str) -> None:
    reply = await post(url, chat("x"), "/v1/messages", x_api_key=KEY)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert (await post(url, chat("x"), "/v1/messages")).status == 401


async def test_completions_and_responses_say_it_too(url: str) -> None:
    completion = await post(url, chat("say [ref:w] it", max_tokens=12), authorization=f"Bearer {KEY}")
    text = completion.json["choices"][0]["message"]["content"]
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        legacy = await client.completions.create(model="m", prompt="say [ref:w] it", max_tokens=12)
        chunks = await client.completions.create(model="m", prompt="say [ref:w] it", max_tokens=12, stream=True)
        pieces = [chunk.choices[0].text async for chunk in chunks]
        response = await client.responses.create(model="m", input="say [ref:w] it", max_output_tokens=12)
        async with client.responses.stream(model="m", input="say [ref:w] it", max_output_tokens=12) as stream:
            kinds = [event.type async for event in stream]
    assert {text} == {legacy.choices[0].text, "".join(pieces), response.output_text}
    assert legacy.usage is not None
    assert response.usage is not None
    assert (legacy.usage.completion_tokens, response.usage.output_tokens, response.status) == (12, 12, "incomplete")
    assert (kinds[0], kinds[-1]) == ("response.created", "response.incomplete")


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/embeddings"])
async def test_what_is_no_request_of_its_dialect_is_refused(url: str, path: str) -> None:
    reply = await post(url, chat("x"), path, authorization=f"Bearer {KEY}")
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


async def test_embeddings_count_their_input_only(url: str) -> None:
    before = (await get(f"{url}/lab/tally")).json
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        reply = await client.embeddings.create(model="m", input=["two words", "three words here"], encoding_format="float")
        with pytest.raises(openai.BadRequestError):
            await client.embeddings.create(model="m+fault:refusal", input="x", encoding_format="float")
    after = (await get(f"{url}/lab/tally")).json
    assert [item.embedding for item in reply.data] == [vector("two words"), vector("three words here")]
    assert reply.usage.prompt_tokens == after["prompt_tokens"] - before["prompt_tokens"] == 5
    assert after["completion_tokens"] == before["completion_tokens"]
