"""A workload's prompt variants on the request line: who is asked in which, what they bound, and what the rules make of them."""

from typing import Any

import msgspec
import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass, Handling
from freehold.core.decision import Candidate, Decision
from freehold.core.price import PriceCard, Rate
from freehold.core.prompt import variant
from freehold.core.request import Ask
from freehold.core.target import Target
from freehold.rules.budget import bound_nanousd
from freehold.rules.constraints import removed_by
from freehold.serve.gateway.exchange import Speech
from freehold.serve.providers import PROVIDERS
from freehold.wire import openai_chat
from freehold.wire.openai_chat.surface import ChatSurface

LONG = variant("long", "s" * 32_000, None, {})
CARD = PriceCard(provider="lab", model="m", input=Rate(10**9), output=Rate(10**9), valid_from="2026-11-01", source="tests")


def place(name: str, **fields: Any) -> Target:
    usual: dict[str, Any] = {"kind": "rented", "codec": "lab", "url": "http://127.0.0.1:9", "model": "m"}
    return Target(name=name, clearance=DataClass.internal, **usual | fields)


PLAIN, WORDY = place("plain"), place("wordy", context_tokens=900)
ASK = Ask(workload="w", handling=Handling(), least_tokens=20, prompt_tokens={"wordy": LONG.least_tokens})


@pytest.fixture
def speech() -> Speech:
    request = openai_chat.read(b'{"model":"w","messages":[{"role":"user","content":"hello"}],"max_tokens":10}')
    return Speech(request, ChatSurface(), {"wordy": LONG})


def test_only_the_target_that_has_one_is_asked_in_it(speech: Speech) -> None:
    assert speech.said_to(PLAIN) is speech
    said = speech.said_to(WORDY)
    assert said is speech.said_to(WORDY), "put in once"
    assert b"ssss" in bytes(said.request.fields["messages"])
    assert b"ssss" not in bytes(speech.request.fields["messages"])
    codec = PROVIDERS["lab"].codec()
    assert b"ssss" in speech.towards(WORDY, codec).call().body
    assert b"ssss" not in speech.towards(PLAIN, codec).call().body


def test_a_budget_sets_aside_what_the_longest_may_cost(speech: Speech) -> None:
    candidates = tuple(Candidate(target, "choice") for target in (PLAIN, WORDY))
    request = speech.longest(Decision(ask=ASK, candidates=candidates, removed=()))
    assert request.input_bytes >= speech.request.input_bytes + 32_000
    assert bound_nanousd(request, [(PLAIN, CARD)]) > bound_nanousd(speech.request, [(PLAIN, CARD)])
    alone = Decision(ask=ASK, candidates=candidates[:1], removed=())
    assert speech.longest(alone) is speech.request


def test_the_operators_words_count_for_the_context_there(speech: Speech) -> None:
    removed = removed_by(ASK, WORDY)
    assert removed is not None
    assert (removed.constraint, "1020 tokens" in removed.detail) == ("context", True)
    assert removed_by(msgspec.structs.replace(ASK, prompt_tokens={}), WORDY) is None


def test_what_cannot_be_said_in_the_callers_dialect_takes_the_target_out(speech: Speech) -> None:
    embeddings = msgspec.structs.replace(speech.request, dialect="openai_embeddings")
    refused = Speech(embeddings, speech.surface, {"wordy": LONG}).why_not(WORDY, PROVIDERS["lab"].codec())
    assert isinstance(refused, Untranslatable)
    assert refused.field == "prompt"
