"""An observer that sends spans and metrics to an OpenTelemetry collector over OTLP/HTTP.

Optional, so it fails open: entries wait in a bounded queue for one thread, which alone waits for the collector; what does not
get there is counted and given up. A request only puts its entry into the queue.
"""

import logging
import math
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec
import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from freehold import __version__
from freehold.core.entry import Entry
from freehold.core.target import Secret, Target
from freehold.serve.sinks.otel import SEMCONV_1_36, SEMCONV_LATEST, Meters, spans_of

Fate: TypeAlias = Literal["sent", "lost"]
Count: TypeAlias = Callable[[str, Fate, int], None]  # of spans or metrics, what became of them, how many
_Observed: TypeAlias = tuple[Entry, Mapping[str, Target]]

_QUEUE = 4096  # entries
_BATCH = 512  # spans sent at once, about
_WAIT_S = 1.0  # for a batch to fill
_SEND_S = 5.0  # for the collector to take one, all tries together
_LAST_S = 3.0
_COUNT_S = 0.5  # to note what was given up
_log = structlog.get_logger("freehold.telemetry")


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is (the base of its URLs), what its headers say, who we are to it, which names it is told, and how often metrics
    go there."""

    endpoint: str
    headers: Mapping[str, Secret]
    service: str
    latest: bool
    metrics_s: float


class OtlpSink:
    """An observer. `targets` answers with the configuration's, as they are when an entry settles."""

    def __init__(self, collector: Collector, targets: Callable[[], Mapping[str, Target]], count: Count) -> None:
        self._targets = targets
        self._count = count
        self._every_s = collector.metrics_s
        self._queue: queue.Queue[_Observed | None] = queue.Queue(_QUEUE)
        self._names = SEMCONV_LATEST if collector.latest else SEMCONV_1_36
        said = {"service.name": collector.service, "service.version": __version__, "service.instance.id": secrets.token_hex(8)}
        self._resource = Resource.create(said)  # with what OTEL_RESOURCE_ATTRIBUTES adds
        base, headers = collector.endpoint.rstrip("/"), {name: value.reveal() for name, value in collector.headers.items()}
        self._spans = OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=_SEND_S, session=_session())
        exporter = _CountedMetrics(count, endpoint=f"{base}/v1/metrics", headers=headers, timeout=_SEND_S, session=_session())
        self._meters, self._provider = _metered(exporter, self._resource, latest=collector.latest)
        self._lost = False
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it tells of every try; we of the first that failed
        self._thread = threading.Thread(target=self._run, name="freehold-telemetry", daemon=True)
        self._thread.start()

    def __call__(self, entry: Entry) -> None:
        """Take one settled entry; never waits."""
        try:
            self._queue.put_nowait((entry, self._targets()))
        except queue.Full:
            self._lose(1 + len(entry.attempts), f"{_QUEUE} entries are waiting already")

    def close(self) -> None:
        """Send what waits, for a few seconds at most; call it off the event loop."""
        deadline = time.monotonic() + _LAST_S
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=0.1)
                break
            except queue.Full:
                if time.monotonic() > deadline:
                    break
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # a try that still waits is given up
        self._thread.join(_COUNT_S)

    def _run(self) -> None:
        flushed, running = time.monotonic(), True
        while running:
            batch, running = self._next_batch()
            self._send(batch)
            try:
                if not running or time.monotonic() - flushed >= self._every_s:
                    flushed = time.monotonic()
                    self._provider.force_flush(int(_SEND_S * 1000))
            except Exception as error:  # the thread's boundary: metrics that cannot be told must not end the spans
                _log.warning("metrics could not be sent", kind=type(error).__name__)
        self._provider.shutdown(int(_SEND_S * 1000))

    def _next_batch(self) -> tuple[list[_Observed], bool]:
        """What comes within a moment, up to a batch; and whether to go on."""
        batch: list[_Observed] = []
        spans, deadline = 0, time.monotonic() + _WAIT_S
        while spans < _BATCH:
            try:
                item = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                return batch, False
            batch.append(item)
            spans += 1 + len(item[0].attempts)
        return batch, True

    def _send(self, batch: list[_Observed]) -> None:
        spans: list[ReadableSpan] = []
        for entry, targets in batch:
            try:
                self._meters.count(entry, targets)
                spans += spans_of(entry, targets, self._names, self._resource)
            except Exception as error:  # the thread's boundary: one entry that cannot be said must not end the telling
                self._lose(1 + len(entry.attempts), f"an entry cannot be said ({type(error).__name__})")
        if not spans:
            return
        if self._spans.export(spans) is SpanExportResult.SUCCESS:
            self._lost = False
            self._count("spans", "sent", len(spans))
        else:
            self._lose(len(spans), "the collector did not take them")

    def _lose(self, spans: int, problem: str) -> None:
        self._count("spans", "lost", spans)
        if not self._lost:  # a collector that is down for an hour is one line
            _log.warning("spans are lost", problem=problem)
        self._lost = True


class _CountedMetrics(OTLPMetricExporter):
    """Counts what became of each export."""

    def __init__(self, count: Count, **options: Any) -> None:
        super().__init__(**options)
        self._told = count

    def export(self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._told("metrics", "sent" if result is MetricExportResult.SUCCESS else "lost", 1)
        return result


def _metered(exporter: OTLPMetricExporter, resource: Resource, *, latest: bool) -> tuple[Meters, MeterProvider]:
    """Flushed from the sink's own thread, so no reader runs one."""
    names = SEMCONV_LATEST if latest else SEMCONV_1_36
    views = [
        View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(buckets))
        for name, buckets in Meters.BUCKETS.items()
    ]
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    provider = MeterProvider([reader], resource, views=views, shutdown_on_exit=False)
    return Meters(provider.get_meter("freehold", __version__, names.schema), names), provider


def _session() -> requests.Session:
    """As all that goes out from here: no proxies and no passwords from the environment, no redirects."""
    session = requests.Session()
    session.trust_env = False
    session.max_redirects = 0
    return session
