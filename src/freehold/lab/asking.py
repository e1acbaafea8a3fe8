"""One replayed request, from the trace's row to the answer's verdict."""

import asyncio
import random

import aiohttp
import msgspec

from freehold.core.trace import TracedRequest
from freehold.lab.mix import Share
from freehold.lab.prompts import prompt_of, ref_of
from freehold.lab.reading import AnswerReader
from freehold.lab.sensitive import sensitive_of
from freehold.lab.tickets import ticket

_TICKET_TOKENS = 24


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and what must come back: `ref` marks the prompt, `label` is a ticket's right answer."""

    workload: str
    headers: dict[str, str]
    body: bytes
    stream: bool
    ref: str | None = None
    label: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How one request went. `error` None: a whole answer. Times in seconds from sending."""

    workload: str
    error: str | None
    request_id: str | None = None
    target: str | None = None
    ttft_s: float | None = None
    total_s: float = 0.0
    ticket_right: bool | None = None


def question_of(index: int, request: TracedRequest, share: Share, *, stream: bool) -> Question:
    """The request number `index`; the same index and row give the same bytes. Its trace time travels in a header."""
    headers = {"content-type": "application/json", "x-freehold-stands-for": f"{request.at:.6f}"}
    if share.data_class is not None:
        headers["x-freehold-data"] = share.data_class.name
    if share.key is not None:
        headers["authorization"] = f"Bearer {share.key}"
    fields: dict[str, object] = {"model": share.workload, "stream": stream, "temperature": 0}
    ref = label = None
    if share.prompts == "tickets":
        prompt, label = ticket(random.Random(index))
        fields["max_completion_tokens"] = _TICKET_TOKENS
    else:
        prompt, ref = prompt_of(index, request), ref_of(index)
        fields["max_completion_tokens"] = max(1, request.output_tokens)
    if (values := sensitive_of(index, share.sensitive)) is not None:
        prompt = f"{values} {prompt}"
    fields["messages"] = [{"role": "user", "content": prompt}]
    body = msgspec.json.encode(fields)
    return Question(workload=share.workload, headers=headers, body=body, stream=stream, ref=ref, label=label)


async def ask(session: aiohttp.ClientSession, question: Question) -> Result:
    """Send it and read the answer to its end. Whatever goes wrong becomes the result's `error`."""
    clock = asyncio.get_running_loop().time
    start = clock()
    request_id = target = ttft_s = reader = None
    try:
        async with session.post("/v1/chat/completions", data=question.body, headers=question.headers) as response:
            request_id, target = response.headers.get("x-request-id"), response.headers.get("x-freehold-target")
            reader = AnswerReader(streamed=response.content_type == "text/event-stream")
            async for chunk in response.content.iter_any():
                reader.feed(chunk)
                if ttft_s is None and reader.started:
                    ttft_s = clock() - start
            error = _verdict(question, reader, response.status)
    except aiohttp.ClientConnectorError:
        error = "unreachable"
    except aiohttp.ClientError:
        error = "disconnected" if reader is None else "cut"
    except TimeoutError:
        error = "timed_out"
    total_s = clock() - start
    if error is None and ttft_s is None:
        ttft_s = total_s
    right = _label(reader.text) == question.label if reader and error is None and question.label is not None else None
    return Result(
        workload=question.workload, error=error, request_id=request_id, target=target, ttft_s=ttft_s, total_s=total_s,
        ticket_right=right,
    )  # fmt: skip


def _verdict(question: Question, reader: AnswerReader, status: int) -> str | None:
    if not 200 <= status < 300:
        return f"{status} {reader.error_code() or ''}".strip()
    reader.end()
    if reader.fault is not None:
        return reader.fault
    # A lab answer begins with its question's mark: another one's means that answers were mixed up on the way.
    if question.ref is not None and reader.text.startswith("[ref:") and not reader.text.startswith(question.ref):
        return "foreign_answer"
    return None if reader.started else "empty"


def _label(text: str) -> object:
    try:
        answer = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return answer.get("label") if isinstance(answer, dict) else None
