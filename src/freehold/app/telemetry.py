"""From the settings to what sends spans and metrics to an OpenTelemetry collector, where there is one."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from freehold.app.config_file import ConfigFile
from freehold.app.credentials import read_secret
from freehold.serve.gateway.house import Gateway
from freehold.serve.sinks.prometheus import PrometheusSink

if TYPE_CHECKING:
    from types import ModuleType

_OPT_IN, _LATEST = "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental"


@asynccontextmanager
async def telemetry_sent(file: ConfigFile, gateway: Gateway, metrics: PrometheusSink) -> AsyncIterator[None]:
    """While inside, what settles is sent to the collector, if the file has one. Raises BadSettings where it cannot be."""
    stated = file.settings.telemetry
    if stated is None:
        yield
        return
    otlp = _otlp(file)
    asked = stated.semconv or ("latest" if _LATEST in os.environ.get(_OPT_IN, "").split(",") else "1.36")
    collector = otlp.Collector(
        endpoint=stated.endpoint, service=stated.service, latest=asked == "latest", metrics_s=stated.metrics_s,
        headers={name: read_secret(file, ("telemetry", "headers", name), kept) for name, kept in stated.headers.items()},
    )  # fmt: skip
    sink = otlp.OtlpSink(collector, lambda: gateway.policy.targets, metrics.count_telemetry)
    gateway.observers = (*gateway.observers, sink)
    try:
        yield
    finally:
        await asyncio.to_thread(sink.close)


def _otlp(file: ConfigFile) -> "ModuleType":
    """The sender, which needs packages that only its extra brings."""
    try:
        return importlib.import_module("freehold.serve.sinks.otlp")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests", "google"}:
            raise
        raise file.refuse(("telemetry",), "it needs OpenTelemetry: pip install 'freehold[otel]'") from None
