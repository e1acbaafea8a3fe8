"""Put planned loads on a real engine and time every answer: closed loop, streamed, with the engine's own token counts.

Chunks are only dated as they arrive and read once their load is over, so that the reader does not slow down what it measures.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from itertools import count

import aiohttp
import msgspec

from freehold.core.errors import BadSettings
from freehold.lab.generation import WORDS
from freehold.plan.capacity.calibration.design import Lengths, PlannedLoad
from freehold.plan.capacity.calibration.timings import Load, Timing

_PROBES = (16, 48)  # words
_REQUESTS_MOST = 120  # of one load: more tell little and slow the fit


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask: an OpenAI-compatible base URL (…/v1), the model, a key where one is needed."""

    url: str
    model: str
    key: str | None = None
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise BadSettings(f"url is {self.url!r}; give one such as http://127.0.0.1:8000/v1")

    @property
    def chat(self) -> str:
        """Where chats go."""
        return f"{self.url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"


class _Cached(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Cached | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None


_chunks = msgspec.json.Decoder(_Chunk)


class _Answer(msgspec.Struct):
    """One stream as it came: what was sent when, and the pieces with their times."""

    sent_s: float
    pieces: list[tuple[float, bytes]]
    done_s: float = 0.0


async def sweep(
    engine: Engine,
    loads: Sequence[PlannedLoad],
    seconds: float,
    rounds: int = 2,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[list[Load], list[Load]]:
    """The measured loads: (for the fit, held out). The loads come by turns, `rounds` times, so that a machine that changes its
    pace changes it for both. A load ends with its share of `seconds` or 120 requests; what is under way is finished.

    `progress` hears the share (0-1) that is done. Raises BadSettings where the engine does not answer, or without its counts.
    """
    timeout = aiohttp.ClientTimeout(total=engine.timeout_s)
    headers = {"authorization": f"Bearer {engine.key}"} if engine.key else {}
    # llama.cpp's server closes after a stream that it promised to keep alive: a connection each is one way for all engines.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
        run = _Sweep(session, engine)
        await run.learn_words()
        fitted: list[Load] = []
        held_out: list[Load] = []
        turns = [load for _ in range(rounds) for load in loads]
        for done, planned in enumerate(turns):
            measured = await run.load(planned, seconds / len(turns))
            (held_out if planned.held_out else fitted).append(measured)
            progress((done + 1) / len(turns))
    return fitted, held_out


class _Sweep:
    """One run against one engine."""

    def __init__(self, session: aiohttp.ClientSession, engine: Engine) -> None:
        self._session = session
        self._engine = engine
        self._numbers = count()
        self._template = 0.0
        self._per_word = 1.0

    async def learn_words(self) -> None:
        """How many tokens a word has here, from two prompts. They also wake the engine."""
        await self._timing_of(_PROBES[0], 4)
        few, many = [(await self._timing_of(words, 4)).input_tokens for words in _PROBES]
        self._per_word = max(0.1, (many - few) / (_PROBES[1] - _PROBES[0]))
        self._template = max(0.0, few - _PROBES[0] * self._per_word)

    async def load(self, planned: PlannedLoad, seconds: float) -> Load:
        """Callers who ask, one request after the other, until the time or the requests are used up."""
        clock = asyncio.get_running_loop().time
        until, left = clock() + seconds, iter(range(max(_REQUESTS_MOST, 2 * planned.concurrency)))
        answers: list[_Answer] = []
        pauses: list[float] = []

        async def caller() -> None:
            before: float | None = None
            for number in left:
                answer = await self._ask(self._body(planned.lengths[number % len(planned.lengths)]))
                if before is not None:
                    pauses.append(answer.sent_s - before)
                before = answer.done_s
                answers.append(answer)
                if clock() >= until:
                    return

        try:
            async with asyncio.TaskGroup() as callers:
                for _ in range(planned.concurrency):
                    callers.create_task(caller())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # of callers who all met the same, one says it
        timings = sorted((_read(answer) for answer in answers), key=lambda one: one.sent_s)
        # From an answer's last token to the next request: the end of the stream, and the caller's own work.
        ends = sorted(answer.done_s - _read(answer).last_s for answer in answers)
        pause_s = ends[len(ends) // 2] + (sorted(pauses)[len(pauses) // 2] if pauses else 0.0)
        return Load(name=planned.name, concurrency=planned.concurrency, timings=tuple(timings), pause_s=pause_s)

    async def _timing_of(self, words: int, output_tokens: int) -> Timing:
        return _read(await self._ask(self._encode(words, output_tokens)))

    def _body(self, lengths: Lengths) -> bytes:
        words = max(1, round((lengths.input_tokens - self._template) / self._per_word))
        return self._encode(words, lengths.output_tokens)

    def _encode(self, words: int, output_tokens: int) -> bytes:
        """A prompt that no other shares its beginning with, so that no prefix cache answers for the engine."""
        source = random.Random(next(self._numbers))
        prompt = " ".join(source.choices(WORDS, k=words))
        return msgspec.json.encode(
            {
                "model": self._engine.model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": output_tokens,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
                "ignore_eos": True,
            }
        )

    async def _ask(self, body: bytes) -> _Answer:
        clock = asyncio.get_running_loop().time
        answer = _Answer(clock(), [])
        headers = {"content-type": "application/json"}
        try:
            async with self._session.post(self._engine.chat, data=body, headers=headers) as response:
                if response.status != 200:
                    said = (await response.text(errors="replace"))[:200]
                    raise BadSettings(f"{self._engine.chat} answered {response.status}: {' '.join(said.split())}")
                async for piece in response.content.iter_any():
                    answer.pieces.append((clock(), piece))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BadSettings(f"{self._engine.chat} did not answer: {error or 'timed out'}; is the engine up?") from None
        answer.done_s = clock()
        return answer


def _read(answer: _Answer) -> Timing:
    """The times of a stream's first and last content, and its counts. Raises BadSettings where it has none."""
    first_s = last_s = None
    usage, rest = _Usage(), b""
    for at_s, piece in answer.pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or data == b"[DONE]":
                continue
            try:
                chunk = _chunks.decode(data)
            except msgspec.DecodeError as error:
                raise BadSettings(f"the engine's stream cannot be read: {error}") from None
            usage = chunk.usage or usage
            deltas = [choice.delta for choice in chunk.choices if choice.delta is not None]
            if any(delta.content or delta.reasoning or delta.reasoning_content for delta in deltas):
                first_s, last_s = first_s if first_s is not None else at_s, at_s
            elif any(choice.finish_reason for choice in chunk.choices):
                last_s = at_s  # the last tokens may have been no text
    if first_s is None or last_s is None or not usage.completion_tokens:
        raise BadSettings("an answer came without content or without usage; the engine has to stream and to honour include_usage")
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return Timing(
        sent_s=answer.sent_s, first_s=first_s, last_s=last_s, input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens, cached_tokens=min(cached or 0, usage.prompt_tokens),
    )  # fmt: skip
