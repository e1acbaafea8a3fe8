"""Asking a judge through a running gateway, which keeps the constraints: the Dispatcher port, for files graded offline."""

import asyncio
from typing import Any

import msgspec

from freehold.core.money import nanousd
from freehold.core.ports import HttpCall, NotAsked, Outbound, Purpose, UpstreamFailure, UpstreamReply
from freehold.core.request import Request
from freehold.core.said import Whole
from freehold.core.target import Secret
from freehold.wire.openai_chat.answer import read_whole
from freehold.wire.openai_chat.quirks import OTHERS

_REPLY_BYTES = 4 * 1024 * 1024
_PATIENCE_S = 120.0


class GatewayDispatcher:
    """Speaks chat completions to one gateway. `data`: how everything it sends is to be handled, in the header's form."""

    def __init__(self, outbound: Outbound, url: str, key: Secret, data: str) -> None:
        self.cost_nanousd = 0
        self._outbound = outbound
        self._url = f"{url.rstrip('/')}/v1/chat/completions"
        self._headers = {
            "authorization": f"Bearer {key.reveal()}", "content-type": "application/json",
            "accept": "application/json", "x-freehold-data": data,
        }  # fmt: skip

    async def ask(self, request: Request, target: str, purpose: Purpose) -> Whole | NotAsked:
        """The gateway's answer; its refusal, or what went wrong on the way, as NotAsked."""
        body = msgspec.json.encode(request.fields | {"model": msgspec.Raw(msgspec.json.encode(target))})
        try:
            async with asyncio.timeout(_PATIENCE_S):
                reply = await self._outbound.send(HttpCall(self._url, self._headers, body))
                return await self._read(reply)
        except TimeoutError:
            return NotAsked(f"no answer within {_PATIENCE_S:.0f} s")
        except UpstreamFailure as failure:
            return NotAsked(f"the gateway could not be asked: {failure.detail}")

    async def _read(self, reply: UpstreamReply) -> Whole | NotAsked:
        try:
            body = await reply.read(_REPLY_BYTES)
        finally:
            reply.close()
        if reply.status != 200:
            return NotAsked(f"{reply.status}: {_problem(body)}")
        try:
            self.cost_nanousd += nanousd(reply.headers.get("x-freehold-cost-usd", "0"))
            return read_whole(body, "provider", OTHERS)
        except ValueError:
            return NotAsked("the answer is no chat completion")


def _problem(body: bytes) -> str:
    """The gateway's own words, which hold no content."""
    try:
        error: Any = msgspec.json.decode(body)["error"]
        return str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "refused without a reason that can be read"
