"""A stand-in for an owned GPU engine: the same wire behind a fixed number of slots and a queue, with vLLM's load metrics.

Metric names: vLLM's production metrics, docs of release 0.32, read 2026-11-21.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from freehold import __version__
from freehold.lab.faults import Faults
from freehold.lab.service import Service
from freehold.lab.settings import LabSettings, at_least
from freehold.lab.slots import Slots
from freehold.lab.tally import Tally

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class EngineSettings(LabSettings):
    """An owned engine."""

    model: str = "lab-engine"
    """Model name in /v1/models and in the metrics; any name is served."""
    slots: int = 16
    """Sequences at once."""
    queue_limit: int = 256
    """Requests that may wait; beyond it 503."""
    kv_tokens: int = 200_000
    """Tokens the KV cache holds, for its reported use."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("slots", self.slots, 1)
        at_least("queue_limit", self.queue_limit, 0)
        at_least("kv_tokens", self.kv_tokens, 1)


class EngineMetrics(Collector):
    """The engine's load, read off its slots and tally whenever it is asked for."""

    def __init__(self, settings: EngineSettings, slots: Slots, tally: Tally) -> None:
        self._settings = settings
        self._slots = slots
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """The series that load-aware routing reads, under vLLM's names."""
        prompt_tokens, generation_tokens = self._tally.totals()
        held = sum(p.prompt_tokens + p.completion_tokens for p in self._tally.running.values())
        yield self._gauge("vllm:num_requests_running", "Requests in a slot.", self._slots.running)
        yield self._gauge("vllm:num_requests_waiting", "Requests in the queue.", self._slots.waiting)
        yield self._gauge("vllm:kv_cache_usage_perc", "KV cache use, 0 to 1.", min(1.0, held / self._settings.kv_tokens))
        yield self._counter("vllm:prompt_tokens", "Prompt tokens processed.", prompt_tokens)
        yield self._counter("vllm:generation_tokens", "Tokens generated.", generation_tokens)

    def page(self) -> tuple[bytes, str]:
        """The /metrics page and its content type."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry), _METRICS_TYPE

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["model_name"])
        family.add_metric([self._settings.model], value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(name, text, labels=["model_name"])
        family.add_metric([self._settings.model], value)
        return family


def build_engine(settings: EngineSettings) -> Service:
    """The engine as an ASGI application."""
    slots, tally = Slots(settings.slots, settings.queue_limit), Tally()
    version = msgspec.json.encode({"version": f"{__version__}+lab"}), "application/json"
    return Service(
        label="engine",
        models=(settings.model,),
        pace=settings.pace(),
        gate=slots,
        faults=Faults(settings.probabilities(), settings.seed),
        tally=tally,
        seed=settings.seed,
        key=settings.key,
        stall_s=settings.stall_s,
        pages={"/metrics": EngineMetrics(settings, slots, tally).page, "/version": lambda: version},
    )
