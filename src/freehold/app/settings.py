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

    model_config = ConfigDict(extra="forbid", frozen=True)


class TermsSettings(Section):
    retention_days: int | None = Field(None, ge=0)
    trains_on_data: bool | None = None
    baa: bool = False


class PriceSettings(Section):
    """Either `like: provider/model` from the price catalogue, or the numbers of a contract in dollars per million tokens."""

    like: str | None = None
    input: Decimal | None = Field(None, ge=0)
    output: Decimal | None = Field(None, ge=0)
    cache_read: Decimal | None = Field(None, ge=0)
    cache_write: Decimal | None = Field(None, ge=0)
    valid_from: str = "undated"
    source: str = "freehold.yaml"

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
    count: int = Field(1, ge=1)
    provider: str = "aws"
    plan: Literal["on_demand", "spot", "reserved_1y", "reserved_3y"] = "on_demand"


class TargetSettings(Section):
    provider: Annotated[str, _known("provider", frozenset(PROVIDERS))] | None = None
    engine: Annotated[str, _known("engine", frozenset(ENGINES))] | None = None
    url: str | None = Field(None, pattern=r"^https?://[^/\s]+")
    model: str = Field(min_length=1)
    key: str | None = Field(None, pattern=r"^(env|file):.+")
    regions: Regions = []
    clearance: Class
    terms: TermsSettings = TermsSettings()
    egress: dict[Annotated[str, _known("kind of egress", EGRESS_KINDS)], Class] = {}
    concurrency: int | None = Field(None, ge=1)
    price: PriceSettings | None = None
    cost: HardwareSettings | None = None
    lab: bool = False

    @model_validator(mode="after")
    def one_kind(self) -> "TargetSettings":
        if (self.provider is None) == (self.engine is None):
            raise ValueError("give either provider: (rented) or engine: (owned)")
        if self.url is None and (self.engine is not None or PROVIDERS[self.provider or ""].url is None):
            raise ValueError("url is missing: where does it answer?")
        return self


class WorkloadSettings(Section):
    targets: list[str] = Field(min_length=1)
    data: Class = DataClass.public
    regions: Regions | None = None
    spill: bool = False


class KeySettings(Section):
    name: str = Field(min_length=1)
    sha256: Sha256
    workloads: list[str] | None = None
    data: Class = DataClass.public
    regions: Regions | None = None


class AdminSettings(Section):
    listen: Annotated[Listen, AfterValidator(_loopback)] = "127.0.0.1:8401"
    key_sha256: Sha256 | None = None


class BoundsSettings(Section):
    body_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    reply_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    in_flight: int = Field(4096, ge=1)
    attempts: int = Field(4, ge=1, le=16)
    connect_s: float = Field(5.0, gt=0)
    first_token_s: float = Field(60.0, gt=0)
    idle_s: float = Field(60.0, gt=0)
    total_s: float = Field(900.0, gt=0)


class Settings(Section):
    """The whole file."""

    version: Literal[1]
    listen: Listen = "127.0.0.1:8400"
    store: str = Field("sqlite:///freehold.db", pattern=r"^sqlite:///.+")
    admin: AdminSettings = AdminSettings()
    keys: list[KeySettings] = Field(min_length=1)
    targets: dict[str, TargetSettings] = Field(min_length=1)
    workloads: dict[str, WorkloadSettings] = Field(min_length=1)
    bounds: BoundsSettings = BoundsSettings()
