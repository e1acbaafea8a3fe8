"""Hold a request that nobody may be asked yet, for a moment, rather than fail it: quotas refill and breakers half-open."""

import asyncio

import msgspec

from freehold.core.decision import Decision
from freehold.core.request import Ask
from freehold.rules.holding import all_held, hold_for
from freehold.serve.gateway.attempt import tokens_of
from freehold.serve.gateway.deciding import decided, none_left, only_mute, targets_of
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record


async def decided_in_time(speech: Speech, ask: Ask, gateway: Gateway, record: Record) -> Decision:
    """The decision, with the candidates that may be asked now; none where it needs none.

    Raises NoTargetAllowed or BadRequest where rules leave none, TargetsExhausted where none may be asked within `hold_s`.
    """
    policy, board = record.policy, gateway.board
    tokens, targets = tokens_of(speech.request), targets_of(ask, policy)
    until = gateway.clock.monotonic() + policy.bounds.hold_s
    while True:
        decision = decided(speech, ask, policy, board.states(targets, tokens), board.draw())
        record.entry.removed = decision.removed
        if only_mute(decision) and speech.alone() is not None:
            return decision
        if not decision.candidates:
            raise none_left(decision)
        if not any(candidate.held_s for candidate in decision.candidates):
            return decision
        wait_s = hold_for(decision.candidates, until - gateway.clock.monotonic())
        if wait_s is None:
            raise all_held(decision.candidates)
        if wait_s == 0:
            ready = tuple(candidate for candidate in decision.candidates if not candidate.held_s)
            return msgspec.structs.replace(decision, candidates=ready)
        await asyncio.sleep(wait_s)
