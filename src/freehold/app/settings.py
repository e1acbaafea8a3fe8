"""What `freehold.yaml` may say. Unknown fields are refused, so that a typo never becomes a rule that is silently dead."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from freehold.core.data import DataClass
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS
from freehold.wire.egress import EGRESS_KINDS


def _known(kind: str, names: frozenset[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"unknown {kind} {name!r}; known: {', '.join(sorted(names))}")
        return name

    return AfterValidator(check)


def _lower(regions: list[str]) -> list[str]:
    return [region.lower() for region in regions]


def _class(value: object) -> object:
    return DataClass.parse(value) if isinstance(value, str) else value


def _listen(text: str) -> str:
    if not re.fullmatch(r"[^\s:]+:\d{1,5}", text) or int(text.rpartition(":")[2]) > 65535:
        raise ValueError("use host:port, such as 127.0.0.1:8400")
    return text


def _loopback(text: str) -> str:
    if text.rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
        raise ValueError("the admin API and dashboard bind loopback only; reach them through a tunnel")
    return text


Class = Annotated[DataClass, BeforeValidator(_class)]
Regions = Annotated[list[str], AfterValidator(_lower)]
Listen = Annotated[str, AfterValidator(_listen)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """Base of every section: frozen, no unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class TermsSettings(Section):
    retention_days: int | None = Field(None, ge=0)
    """Days the operator keeps prompts and answers; 0 for none. Unset is unknown, and unknown promises nothing."""
    trains_on_data: bool | None = None
    """Whether the operator may train on the data."""
    baa: bool = False
    """Whether a business associate agreement is in force."""


class PriceSettings(Section):
    """Either `like: provider/model` from the price catalogue, or the numbers of a contract in dollars per million tokens."""

    like: str | None = None
    """`provider/model` whose catalogue price applies."""
    input: Decimal | None = Field(None, ge=0)
    """Dollars per million input tokens."""
    output: Decimal | None = Field(None, ge=0)
    """Dollars per million output tokens, reasoning included."""
    cache_read: Decimal | None = Field(None, ge=0)
    """Dollars per million input tokens read from a cache; unset: as input."""
    cache_write: Decimal | None = Field(None, ge=0)
    """Dollars per million input tokens written to a cache; unset: as input."""
    valid_from: str = "undated"
    """Since when the contract price holds."""
    source: str = "freehold.yaml"
    """Where the numbers come from; kept in every entry."""

    @model_validator(mode="after")
    def one_kind(self) -> "PriceSettings":
        numbers = self.input is not None and self.output is not None
        if numbers == (self.like is not None):
            raise ValueError("give either like: provider/model, or both input: and output:")
        if self.like is not None and "/" not in self.like:
            raise ValueError(f"like is {self.like!r}; write provider/model")
        return self


class HardwareSettings(Section):
    gpu: str
    """As the GPU price list names it."""
    count: int = Field(1, ge=1)
    """GPUs of one replica."""
    provider: str = "aws"
    """Who hires it out."""
    plan: Literal["on_demand", "spot", "reserved_1y", "reserved_3y"] = "on_demand"
    """How it is hired."""


class TargetSettings(Section):
    provider: Annotated[str, _known("provider", frozenset(PROVIDERS))] | None = None
    """A hosted API (rented)."""
    engine: Annotated[str, _known("engine", frozenset(ENGINES))] | None = None
    """An engine of your own (owned)."""
    url: str | None = Field(None, pattern=r"^https?://[^/\s]+")
    """Where it answers; a known provider has one already."""
    model: str = Field(min_length=1)
    """The exact model: a dated snapshot, or weights with their revision."""
    key: str | None = Field(None, pattern=r"^(env|file):.+")
    """Its credential: `env:NAME` or `file:PATH`."""
    regions: Regions = []
    """Where it may process data."""
    clearance: Class
    """The highest data class it may see."""
    terms: TermsSettings = TermsSettings()
    """What its operator promises."""
    egress: dict[Annotated[str, _known("kind of egress", EGRESS_KINDS)], Class] = {}
    """Kinds of egress allowed there, each up to a data class."""
    concurrency: int | None = Field(None, ge=1)
    """Requests at once before it counts as full."""
    price: PriceSettings | None = None
    """Needed where the catalogue has none."""
    cost: HardwareSettings | None = None
    """The machine of one replica, for the plan."""
    lab: bool = False
    """A stand-in: said so wherever it appears."""

    @model_validator(mode="after")
    def one_kind(self) -> "TargetSettings":
        if (self.provider is None) == (self.engine is None):
            raise ValueError("give either provider: (rented) or engine: (owned)")
        if self.url is None and (self.engine is not None or PROVIDERS[self.provider or ""].url is None):
            raise ValueError("url is missing: where does it answer?")
        return self


class WorkloadSettings(Section):
    targets: list[str] = Field(min_length=1)
    """In order of preference."""
    data: Class = DataClass.public
    """Floor of the data class; keys and headers can only raise it."""
    regions: Regions | None = None
    """Where its data may be processed; unset: anywhere."""
    spill: bool = False
    """Whether full owned capacity may be left for a rented target."""


class KeySettings(Section):
    name: str = Field(min_length=1)
    """Stands in every entry."""
    sha256: Sha256
    """Of the key; `freehold keys new` prints both."""
    workloads: list[str] | None = None
    """Which it may use; unset: all."""
    data: Class = DataClass.public
    """Floor of the data class of everything it sends."""
    regions: Regions | None = None
    """Where its data may be processed; unset: anywhere."""


class AdminSettings(Section):
    listen: Annotated[Listen, AfterValidator(_loopback)] = "127.0.0.1:8401"
    """Admin API and dashboard; loopback only."""
    key_sha256: Sha256 | None = None
    """Of the admin key; unset: one is made for each run and printed."""


class BoundsSettings(Section):
    body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Largest request."""
    reply_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Largest whole answer; also what a stream may hold back."""
    in_flight: int = Field(4096, ge=1)
    """Requests at once; beyond it 503."""
    attempts: int = Field(4, ge=1, le=16)
    """Targets tried for one request."""
    connect_s: float = Field(5.0, gt=0)
    """Seconds to connect to a target."""
    first_token_s: float = Field(60.0, gt=0)
    """Seconds a stream may take to its first token."""
    idle_s: float = Field(60.0, gt=0)
    """Seconds between two chunks of a stream."""
    whole_s: float = Field(300.0, gt=0)
    """Seconds one target may take for a whole answer without streaming."""
    total_s: float = Field(900.0, gt=0)
    """Seconds for everything, all attempts included."""


class Settings(Section):
    """The whole file."""

    version: Literal[1]
    """Of this format."""
    listen: Listen = "127.0.0.1:8400"
    """The data port: `/v1`, health and metrics."""
    store: str = Field("sqlite:///freehold.db", pattern=r"^sqlite:///.+")
    """The ledger file, relative to this file."""
    admin: AdminSettings = AdminSettings()
    """The admin plane."""
    keys: list[KeySettings] = Field(min_length=1)
    """Who may call."""
    targets: dict[str, TargetSettings] = Field(min_length=1)
    """Where models are served, by name."""
    workloads: dict[str, WorkloadSettings] = Field(min_length=1)
    """Named streams of like requests, by name."""
    bounds: BoundsSettings = BoundsSettings()
    """Limits of the data plane."""
