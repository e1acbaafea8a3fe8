"""Ask targets what they honour: a few small requests each, by the codec and the client that serve real ones.

No caller's data is in them. At rented targets they cost money, which no ledger entry shows.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from freehold.app.probe_questions import PLAIN, QUESTIONS, STREAMED, Answer, Body, Question, speaks_json
from freehold.app.probes import Finding, Probed
from freehold.core.capability import Capability
from freehold.core.ports import Codec, HttpCall, Outbound, UpstreamFailure
from freehold.core.target import Target
from freehold.serve.gateway.policy import Policy
from freehold.serve.transport.direct import DirectOutbound
from freehold.wire import openai_chat
from freehold.wire.sse import EventSplitter

_REPLY_BYTES = 4 * 1024 * 1024
_PATIENCE_S = 60.0
# With these the server speaks of itself at this moment, not of what was asked.
_PASSING = frozenset({401, 403, 404, 408, 425, 429, 502, 503, 504})
_answers = msgspec.json.Decoder(Answer)


class NoAnswer(Exception):
    """The target did not answer even a plain request, so nothing was found. The message says how."""


async def probe_targets(policy: Policy, names: Iterable[str]) -> tuple[dict[str, Probed], dict[str, str]]:
    """What was found at each target, and why nothing was at those that do not answer."""
    found: dict[str, Probed] = {}
    silent: dict[str, str] = {}
    async with DirectOutbound(connect_s=policy.bounds.connect_s) as outbound:
        outbound.follow(policy.ways)
        for name in names:
            try:
                found[name] = await probe(policy.targets[name], policy.codecs[name], outbound)
            except NoAnswer as problem:
                silent[name] = str(problem)
    return found, silent


async def probe(target: Target, codec: Codec, outbound: Outbound) -> Probed:
    """Ask one target everything. Raises NoAnswer where a plain request fails, or the questions are not in its dialect."""
    if "openai_chat" not in codec.natives:
        # Translated, an answer would tell what the translation carries, and not what the server honours.
        raise NoAnswer("it takes no chat completions, which is how we ask; capabilities: says what it honours, by your word")
    status, body = await _ask(target, codec, outbound, PLAIN)
    plain = _read(body)
    if status != 200 or plain is None:
        raise NoAnswer(f"a plain request got {status}" if status else body.decode(errors="replace"))
    findings: dict[Capability, Finding] = {}
    for question in QUESTIONS:
        findings[question.capability] = await _find(question, target, codec, outbound)
    if speaks_json(plain) and findings["json_object"].verdict == "honoured":
        findings["json_object"] = Finding("unclear", "an answer to a plain request is a JSON object too")
    findings["stream_usage"] = await _find_stream_usage(target, codec, outbound)
    version = plain.system_fingerprint or (None if target.rented else await _version(target, outbound))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Probed(server=target.codec, url=target.url, model=target.model, at=now, version=version, findings=findings)


async def _find(question: Question, target: Target, codec: Codec, outbound: Outbound) -> Finding:
    finding = Finding("unclear", "not asked")
    for asked in question.bodies:
        status, body = await _ask(target, codec, outbound, asked)
        answer = _read(body)
        finding = _of_failure(status, body) if status != 200 or answer is None else question.read(answer)
        if finding.verdict in {"honoured", "refused"}:
            break
    return finding


async def _find_stream_usage(target: Target, codec: Codec, outbound: Outbound) -> Finding:
    status, body = await _ask(target, codec, outbound, STREAMED)
    if status != 200:
        return _of_failure(status, body)
    try:
        deltas = [codec.natives["openai_chat"].deltas().delta(event) for event in EventSplitter().feed(body)]
    except ValueError as error:
        return Finding("unclear", f"the stream cannot be read: {error}")
    came = any(delta.usage is not None for delta in deltas)
    return (
        Finding("honoured", "its counts came with the stream") if came else Finding("ignored", "no counts came with the stream")
    )


def _of_failure(status: int, body: bytes) -> Finding:
    if status == 200:
        return Finding("unclear", "200 with no answer in it")
    if not status:
        return Finding("unclear", body.decode(errors="replace"))
    return Finding("unclear" if status in _PASSING else "refused", f"status {status}")


async def _ask(target: Target, codec: Codec, outbound: Outbound, body: Body) -> tuple[int, bytes]:
    """Status and body; status 0 with the reason where no reply came."""
    request = openai_chat.read(msgspec.json.encode({"model": target.model, **body}))
    return await _send(outbound, codec.natives["openai_chat"].encode(request, target))


async def _send(outbound: Outbound, call: HttpCall) -> tuple[int, bytes]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reply = await outbound.send(call)
            try:
                return reply.status, await reply.read(_REPLY_BYTES)
            finally:
                reply.close()
    except UpstreamFailure as failure:
        return 0, f"{failure.outcome}: {failure.detail}".encode()
    except TimeoutError:
        return 0, f"no answer within {_PATIENCE_S:g} s".encode()


async def _version(target: Target, outbound: Outbound) -> str | None:
    """What an engine says at /version, where it has such a page."""
    parts = urlsplit(target.url)
    status, body = await _send(outbound, HttpCall(f"{parts.scheme}://{parts.netloc}/version", {}, b"", "GET"))
    try:
        said = msgspec.json.decode(body, type=dict[str, object]) if status == 200 else {}
    except ValueError:
        return None
    version = said.get("version")
    return version if isinstance(version, str) else None


def _read(body: bytes) -> Answer | None:
    """The answer in a body; None where it is none."""
    try:
        answer = _answers.decode(body)
    except ValueError:
        return None
    return answer if answer.choices else None
