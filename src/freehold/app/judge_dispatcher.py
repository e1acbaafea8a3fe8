"""Asking a judge: through a running gateway, for files graded offline; inside a gateway, for the pairs of its migrations.

Both are the Dispatcher port. Constraints bind the judge either way.
"""

import asyncio
from typing import Any

import msgspec

from freehold.core.errors import BadRequest, ContentBlocked
from freehold.core.money import nanousd
from freehold.core.ports import HttpCall, NotAsked, Outbound, Purpose, UpstreamFailure, UpstreamReply
from freehold.core.request import Ask, Request
from freehold.core.said import Whole
from freehold.core.target import Secret
from freehold.rules.handling import settle
from freehold.serve.gateway.errand import Errand, Errands, Returned, Unasked
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Inspection, inspect
from freehold.serve.gateway.shadow import Compared, heard
from freehold.wire.dialects import SURFACES
from freehold.wire.openai_chat.answer import read_whole
from freehold.wire.openai_chat.quirks import OTHERS

_REPLY_BYTES = 4 * 1024 * 1024
_PATIENCE_S = 120.0
_ROOM_S = 30.0  # for a place at the judge that no caller wants


class ExchangeDispatcher:
    """Asks in the name of one compared exchange, out of its migration's own money, when no caller wants the judge's place.

    What bound the exchange binds the judge, and so does what is found in the two answers. A reason is one word.
    """

    def __init__(self, gateway: Gateway, errands: Errands, pair: Compared) -> None:
        self.cost_nanousd = 0
        self._gateway = gateway
        self._errands = errands
        self._pair = pair

    async def ask(self, request: Request, target: str, purpose: Purpose) -> Whole | NotAsked:
        """The judge's answer. Raises LedgerUnavailable."""
        errand = await self._errand(request, target)
        back = errand if isinstance(errand, str) else await self._errands.run(errand, self._until())
        if not isinstance(back, Returned):
            return NotAsked(back)
        self.cost_nanousd += back.entry.cost_nanousd
        return (await heard(request, back.body) or NotAsked("unreadable")) if back.body else NotAsked("failed")

    async def refusal(self, request: Request, target: str) -> NotAsked | None:
        """Why the judge would not be asked this now; None: it would. Nothing is sent. Raises LedgerUnavailable."""
        errand = await self._errand(request, target)
        why = errand if isinstance(errand, str) else await self._errands.unasked(errand, self._until())
        return None if why is None else NotAsked(why)

    def _until(self) -> float:
        return self._gateway.clock.monotonic() + _ROOM_S

    async def _errand(self, request: Request, target: str) -> Errand | Unasked:
        """Or why there is none: what it holds may be sent nowhere, or what binds it may be more by now."""
        policy, pair = self._gateway.policy, self._pair
        if pair.policy is not policy:  # before the inspection, which may ask others, too
            return "stopped"

        def bound(found: Inspection) -> Ask:
            party = found.party(pair.ask.workload)
            parties = pair.ask.parties if party is None else (*pair.ask.parties, party)
            return msgspec.structs.replace(
                pair.ask, parties=parties, labels=policy.labels, egress=request.egress, needs=request.needs,
                handling=pair.ask.handling.raised_by(settle(parties, policy.labels)), least_tokens=request.least_tokens,
                prompt_tokens={},
            )  # fmt: skip

        try:
            content = await inspect(request, policy.inspector, bound)
            content.refuse_blocked(pair.ask.workload)
        except (BadRequest, ContentBlocked):
            return "barred"
        shield = content.shield(pair.ask.workload)
        speech = Speech(request, SURFACES["openai_chat"])
        speech.redacted = shield is not None
        return Errand(
            assignment=pair.assignment, target=target, policy=policy, ask=bound(content), speech=speech, shield=shield,
            why=f"judge of {pair.id}; migration {pair.assignment.migration}",
            purpose="judge",
        )  # fmt: skip


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
