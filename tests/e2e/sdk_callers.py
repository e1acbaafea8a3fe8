"""The official SDKs as callers of each dialect: what each shows of an answer or an error, and the bytes it was made of."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anthropic
import httpx2 as httpx
import msgspec
import openai

from e2e.house import KEY

MAX_TOKENS = 8


class Seen(msgspec.Struct, kw_only=True):
    """What the SDK showed. `error` is None where it raised nothing; `raw` is every byte of the body."""

    text: str = ""
    finish: str = ""
    status: int = 200
    error: Any = None
    raw: bytes = b""

    @property
    def code(self) -> str:
        """Our stable code, wherever the dialect has it."""
        error = self.error or {}
        details = error.get("details") or {}
        return str(error.get("code") or details.get("error_code") or "")


class _Teed(httpx.AsyncByteStream):
    """A body that is kept while it is read."""

    def __init__(self, stream: Any, kept: bytearray) -> None:
        self._stream = stream
        self._kept = kept

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._kept += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Recorder(httpx.AsyncBaseTransport):
    """Keeps the body of each reply by the model that was asked for."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_connections=None))
        self.bodies: dict[str, bytearray] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kept = self.bodies[msgspec.json.decode(request.content)["model"]] = bytearray()
        reply = await self._inner.handle_async_request(request)
        return httpx.Response(reply.status_code, headers=reply.headers, stream=_Teed(reply.stream, kept))

    async def aclose(self) -> None:
        await self._inner.aclose()


class Callers:
    """Both SDKs against one gateway, told not to try again. A context."""

    def __init__(self, url: str) -> None:
        self._recorder = _Recorder()
        self._http = httpx.AsyncClient(transport=self._recorder, timeout=60)
        quiet: dict[str, Any] = {"http_client": self._http, "max_retries": 0}
        self.openai = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, **quiet)
        self.anthropic = anthropic.AsyncAnthropic(base_url=url, auth_token=KEY, **quiet)

    async def __aenter__(self) -> "Callers":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, dialect: str, model: str, prompt: str, *, stream: bool, headers: Mapping[str, str]) -> Seen:
        """One request to its end, whatever the end is."""
        seen = Seen()
        fields: dict[str, Any] = {"model": model, "extra_headers": dict(headers)} | ({"stream": True} if stream else {})
        try:
            await _ASKS[dialect](self, prompt, fields, seen)
        except (openai.APIError, anthropic.APIError) as error:
            seen.status = getattr(error, "status_code", 200)
            body: Any = error.body
            seen.error = body["error"] if isinstance(body, dict) and isinstance(body.get("error"), dict) else body
        seen.raw = bytes(self._recorder.bodies[model])
        return seen


async def _chat(callers: Callers, prompt: str, fields: dict[str, Any], seen: Seen) -> None:
    says: Any = [{"role": "user", "content": prompt}]
    reply: Any = await callers.openai.chat.completions.create(messages=says, max_tokens=MAX_TOKENS, **fields)
    if "stream" not in fields:
        seen.text, seen.finish = reply.choices[0].message.content, reply.choices[0].finish_reason
        return
    async for chunk in reply:
        if getattr(chunk, "type", "") == "freehold.restart":
            seen.text = ""
        for choice in chunk.choices:
            seen.text += choice.delta.content or ""
            seen.finish = choice.finish_reason or seen.finish


async def _completions(callers: Callers, prompt: str, fields: dict[str, Any], seen: Seen) -> None:
    reply: Any = await callers.openai.completions.create(prompt=prompt, max_tokens=MAX_TOKENS, **fields)
    if "stream" not in fields:
        seen.text, seen.finish = reply.choices[0].text, reply.choices[0].finish_reason
        return
    async for chunk in reply:
        if getattr(chunk, "type", "") == "freehold.restart":
            seen.text = ""
        for choice in chunk.choices:
            seen.text += choice.text
            seen.finish = choice.finish_reason or seen.finish


async def _responses(callers: Callers, prompt: str, fields: dict[str, Any], seen: Seen) -> None:
    reply: Any = await callers.openai.responses.create(input=prompt, max_output_tokens=MAX_TOKENS, **fields)
    if "stream" not in fields:
        seen.text, seen.finish = reply.output_text, _why(reply)
        return
    async for event in reply:
        match event.type:
            case "freehold.restart":
                seen.text = ""
            case "response.output_text.delta":
                seen.text += event.delta
            case "response.completed" | "response.incomplete":
                seen.finish = _why(event.response)


def _why(response: Any) -> str:
    reason = response.incomplete_details.reason if response.incomplete_details else response.status
    return str(reason)


async def _messages(callers: Callers, prompt: str, fields: dict[str, Any], seen: Seen) -> None:
    says: Any = [{"role": "user", "content": prompt}]
    reply: Any = await callers.anthropic.messages.create(messages=says, max_tokens=MAX_TOKENS, **fields)
    if "stream" not in fields:
        seen.text, seen.finish = "".join(block.text for block in reply.content), reply.stop_reason
        return
    reason = ""
    async for event in reply:
        match event.type:
            case "freehold.restart":
                seen.text = ""
            case "content_block_delta":
                seen.text += event.delta.text
            case "message_delta":
                reason = event.delta.stop_reason
            case "message_stop":
                seen.finish = reason


async def _embeddings(callers: Callers, prompt: str, fields: dict[str, Any], seen: Seen) -> None:
    reply = await callers.openai.embeddings.create(input=prompt, encoding_format="float", **fields)
    seen.text, seen.finish = str([round(number, 6) for number in reply.data[0].embedding]), "length"


_Ask: TypeAlias = Callable[[Callers, str, dict[str, Any], Seen], Awaitable[None]]
_ASKS: Mapping[str, _Ask] = {
    "openai_chat": _chat,
    "openai_completions": _completions,
    "openai_responses": _responses,
    "openai_embeddings": _embeddings,
    "anthropic_messages": _messages,
}
# What ends a stream of each dialect that is whole, once.
ENDINGS: Mapping[str, tuple[bytes, ...]] = {
    "openai_chat": (b"data: [DONE]\n\n",),
    "openai_completions": (b"data: [DONE]\n\n",),
    "openai_responses": (b"event: response.completed\n", b"event: response.incomplete\n"),
    "anthropic_messages": (b"event: message_stop\n",),
}
# How each dialect says that the most tokens were reached, and that a filter stopped the answer.
FINISHES: Mapping[str, Mapping[str, str]] = {
    "openai_chat": {"length": "length", "filtered": "content_filter"},
    "openai_completions": {"length": "length", "filtered": "content_filter"},
    "openai_responses": {"length": "max_output_tokens", "filtered": "content_filter"},
    "openai_embeddings": {"length": "length", "filtered": "length"},
    "anthropic_messages": {"length": "max_tokens", "filtered": "refusal"},
}
