"""What a gateway's silence, refusal and nonsense become: a reason, never an exception."""

import pytest
from in_memory import WHOLE, Outbound, Reply

from freehold.app.judge_dispatcher import GatewayDispatcher
from freehold.core.ports import HttpCall, NotAsked
from freehold.core.said import Whole
from freehold.core.target import Secret
from freehold.wire.openai_chat.request import read

REQUEST = read(b'{"model":"x","messages":[{"role":"user","content":"hi"}]}')


class Saying:
    """A gateway that answers with one status and body."""

    def __init__(self, status: int, body: bytes, cost: str = "0.5") -> None:
        self._reply = Reply(status, body, "application/json")
        self._reply.headers = {"x-freehold-cost-usd": cost}

    async def send(self, call: HttpCall) -> Reply:
        assert b'"model":"judge"' in call.body
        return self._reply


async def asked(outbound: Outbound | Saying) -> tuple[Whole | NotAsked, int]:
    dispatcher = GatewayDispatcher(outbound, "http://127.0.0.1:1/", Secret("fh_x"), "internal")
    return await dispatcher.ask(REQUEST, "judge", "judge"), dispatcher.cost_nanousd


@pytest.mark.parametrize(
    ("outbound", "reason"),
    [
        (Outbound(["down"]), "the gateway could not be asked: refused"),
        (Outbound(["garbage"]), "the answer is no chat completion"),
        (Outbound(["limit"]), "429: refused without a reason that can be read"),
        (Saying(403, b'{"error":{"message":"no target may serve this"}}'), "403: no target may serve this"),
        (Saying(500, b"<html>"), "500: refused without a reason that can be read"),
        (Saying(200, WHOLE, "much"), "the answer is no chat completion"),
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_a_reason(outbound: Outbound | Saying, reason: str) -> None:
    assert (await asked(outbound))[0] == NotAsked(reason)


async def test_an_answer_is_read_and_its_cost_added_up() -> None:
    found, cost_nanousd = await asked(Saying(200, WHOLE))
    assert isinstance(found, Whole)
    assert cost_nanousd == 500_000_000
