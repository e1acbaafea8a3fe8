"""A stand-in for a rented API: the wires of OpenAI and Anthropic with rate limits, a pace, and its ways of failing."""

from dataclasses import dataclass

from freehold.lab.faults import Faults
from freehold.lab.limits import RequestLimit
from freehold.lab.service import Service
from freehold.lab.settings import LabSettings, at_least


@dataclass(frozen=True, kw_only=True)
class ProviderSettings(LabSettings):
    """A rented API. None means no limit."""

    requests_per_minute: int | None = None
    """Requests admitted per minute (of scaled time); beyond it 429."""
    concurrency: int | None = None
    """Requests at once; beyond it 429."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("requests_per_minute", self.requests_per_minute, 1)
        at_least("concurrency", self.concurrency, 1)


def build_provider(settings: ProviderSettings) -> Service:
    """The provider as an ASGI application."""
    limit = RequestLimit(settings.requests_per_minute, settings.concurrency, settings.time_scale)
    return Service(
        label="provider",
        models=("lab-model",),
        pace=settings.pace(),
        gate=limit,
        faults=Faults(settings.probabilities(), settings.seed),
        seed=settings.seed,
        key=settings.key,
        stall_s=settings.stall_s,
        extra_headers=limit.headers,
    )
