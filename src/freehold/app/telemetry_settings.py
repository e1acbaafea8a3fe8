"""The section of `freehold.yaml` about OpenTelemetry."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from freehold.app.section import Reference, Section, is_host, matching
from freehold.serve.transport.ways import is_loopback


def _collector(text: str) -> str:
    mend = "use the base of the collector's URLs, such as http://127.0.0.1:4318; /v1/traces and /v1/metrics are put behind it"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(mend) from None
    if parts.scheme not in {"http", "https"} or not is_host(host) or port == 0 or any(sign.isspace() for sign in text):
        raise ValueError(mend)
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError(f"put nothing secret and no query into it; {mend}")
    return text


_Header = Annotated[str, matching("[A-Za-z0-9!#$%&'*+.^_`|~-]+", "a header's name is a token, such as authorization")]


class TelemetrySettings(Section):
    """Spans and metrics for an OpenTelemetry collector, without content. Read at the start only; needs freehold[otel]."""

    endpoint: Annotated[str, AfterValidator(_collector)]
    """The base of its OTLP/HTTP URLs, such as http://127.0.0.1:4318."""
    headers: dict[_Header, Reference] = Field({})
    """What it wants to be sent, each as `env:NAME` or `file:PATH`; over https, or to loopback."""
    service: str = Field("freehold", min_length=1, max_length=255)
    """The `service.name` we go by."""
    semconv: Literal["1.36", "latest"] | None = None
    """Names of the GenAI conventions; unset: what OTEL_SEMCONV_STABILITY_OPT_IN asks for, else 1.36."""
    metrics_s: float = Field(60.0, ge=1, le=86_400)
    """Seconds between two exports of metrics."""

    @model_validator(mode="after")
    def keeps_headers_secret(self) -> "TelemetrySettings":
        parts = urlsplit(self.endpoint)
        if self.headers and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("headers hold credentials, and anyone could read them on the way; use https")
        return self
