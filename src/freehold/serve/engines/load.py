"""An engine's load out of its own metrics, by the names that it has for it."""

from statistics import fmean

import msgspec

from freehold.core.decision import Load
from freehold.serve.engines.exposition import read_series


class LoadNames(msgspec.Struct, frozen=True, kw_only=True):
    """The series of requests running and queued; of KV cache use the first that is there, some engines have none."""

    running: str
    waiting: str
    kv_usage: tuple[str, ...] = ()

    def read(self, metrics_text: str, engine: str) -> Load:
        """Requests running and queued over all its ranks, KV cache use as their mean. ValueError where a count is missing."""
        series = read_series(metrics_text, {self.running, self.waiting, *self.kv_usage})
        try:
            running, waiting = round(sum(series[self.running])), round(sum(series[self.waiting]))
        except KeyError as name:
            raise ValueError(f"no {name} in its metrics; is this {engine}?") from None
        usage = next((series[name] for name in self.kv_usage if name in series), None)
        return Load(running=running, waiting=waiting, kv_usage=None if usage is None else fmean(usage))
