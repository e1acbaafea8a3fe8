"""Entries for tests of whatever writes or reads a ledger."""

from typing import Any

from freehold.core.entry import Attempt, Entry
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Usage

CARD = PriceCard(
    provider="lab", model="lab-model", input=Rate(2_500_000_000), output=Rate(10_000_000_000), valid_from="2026-11-01",
    source="tests",
)  # fmt: skip
USAGE = Usage(input_tokens=100, output_tokens=20, cache_read=30, reasoning=5, source="provider")


def entry(ident: str, **fields: Any) -> Entry:
    """A finished, rented request of one attempt, with these fields changed."""
    attempt = Attempt(
        target="api", model="lab-model", kind="rented", reason="choice 1 of 1", started_s=0.001, outcome="finished", status=200,
        first_token_s=0.2, ended_s=1.0, usage=USAGE, raw_usage='{"prompt_tokens":100}', cost_nanousd=450_000, price=CARD,
    )  # fmt: skip
    usual: dict[str, Any] = {
        "id": ident, "received_at": 1_795_000_000.5, "stands_for": 1_700_000_000.0, "workload": "triage", "key": "app",
        "data_class": "internal", "regions": ("eu", "us"), "asked_model": "triage", "dialect": "openai_chat", "stream": True,
        "policy": "abc", "outcome": "finished", "status": 200, "reason": "choice 1 of 1", "target": "api", "model": "lab-model",
        "basis": "rented", "usage": USAGE, "cost_nanousd": 450_000, "ttft_s": 0.2, "total_s": 1.0, "attempts": [attempt],
    }  # fmt: skip
    return Entry(**usual | fields)
