"""What `freehold.yaml` may say. Unknown fields are refused, so that a typo never becomes a rule that is silently dead."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from freehold.app.access_settings import BudgetSettings, LimitsSettings
from freehold.app.address_settings import Address, require_safe
from freehold.app.guard_settings import ContentSettings, KeepContentSettings, MediaHost, ProxyUrl
from freehold.app.handling_settings import DemandsSettings, LabelSettings
from freehold.app.health_settings import HealthSettings, TargetLimitsSettings
from freehold.app.prompt_settings import ChosenPrompt, PromptSettings, VariantName, Weights
from freehold.app.section import Class, Label, Lower, Reference, Regions, Section, Sha256, is_host, known, matching
from freehold.app.sensitivity_settings import SensitivitySettings
from freehold.app.telemetry_settings import TelemetrySettings
from freehold.core.capability import Capability
from freehold.core.data import DataClass
from freehold.serve.access.keys import Role
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS
from freehold.wire.egress import EGRESS_KINDS


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not is_host(host) or ":" in host or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError("use host:port, such as 127.0.0.1:8400")
    return text


def _loopback(text: str) -> str:
    if text.rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
        raise ValueError("the admin API and dashboard bind loopback only; reach them through a tunnel")
    return text


def _store(text: str) -> str:
    if not re.fullmatch(r"(sqlite:///|postgres(ql)?://|postgresql\+(env|file):).+", text):
        raise ValueError("use sqlite:///freehold.db, postgresql://user@host/database, or postgresql+env:NAME where NAME has that")
    return text


def _hook(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("use a URL such as https://example.org/hook") from None
    if parts.scheme not in {"http", "https"} or not is_host(host) or port == 0 or any(c.isspace() for c in text):
        raise ValueError("use a URL such as https://example.org/hook")
    if parts.scheme == "http" and host not in {"127.0.0.1", "localhost", "::1"}:
        raise ValueError("use https; plain http is for loopback only")
    if "@" in parts.netloc:
        raise ValueError("put no credentials into the URL; the signature says who sends")
    return text


Listen = Annotated[str, AfterValidator(_listen)]
MetricsRule: TypeAlias = Literal["loopback", "role", "open"]


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
    input: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million input tokens."""
    output: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million output tokens, reasoning included."""
    cache_read: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million input tokens read from a cache; unset: as input."""
    cache_write: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million input tokens written to a cache; unset: as input."""
    cache_write_1h: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million input tokens written to a cache for an hour; unset: as cache_write."""
    input_audio: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million input tokens of sound; unset: as input."""
    output_audio: Decimal | None = Field(None, ge=0, le=1_000_000)
    """Dollars per million output tokens of sound; unset: as output."""
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
    """The machine is paid by the hour while a gateway has the target, used or not."""

    gpu: str
    """As the GPU price list names it."""
    count: int = Field(1, ge=1)
    """GPUs of one replica."""
    provider: str = "aws"
    """Who hires it out; with `usd_per_hour`, any name."""
    plan: Literal["on_demand", "spot", "reserved_1y", "reserved_3y"] = "on_demand"
    """How it is hired."""
    usd_per_hour: Decimal | None = Field(None, ge=0, le=100_000)
    """What the target's machine costs an hour; unset: the cheapest offer of the provider in the price list."""


class TargetSettings(Section):
    provider: Annotated[str, known("provider", frozenset(PROVIDERS))] | None = None
    """A hosted API (rented)."""
    engine: Annotated[str, known("engine", frozenset(ENGINES))] | None = None
    """An engine of your own (owned)."""
    url: Address | None = None
    """Where it answers; a known provider has one already."""
    ca: str | None = Field(None, min_length=1)
    """A file of certificates (PEM), relative to this one, that its TLS is checked against in place of the system's."""
    proxy: ProxyUrl | None = None
    """An HTTP proxy on the way to it; for https only. The environment's proxies are never used."""
    model: str = Field(min_length=1)
    """The exact model: a dated snapshot, or weights with their revision."""
    key: Reference | None = None
    """Its credential: `env:NAME` or `file:PATH`."""
    auth: Annotated[str, known("auth", frozenset(name for row in PROVIDERS.values() for name in row.sign_ins))] | None = None
    """In place of a key, what the machine is signed in as: `aws` (bedrock) or `entra` (azure)."""
    auth_host: MediaHost | None = None
    """With `auth: entra`, the host of its url where that is none of Azure OpenAI's own, such as a gateway in front of it."""
    regions: Regions = Field([])
    """Where it may process data."""
    clearance: Class
    """The highest data class it may see."""
    terms: TermsSettings = TermsSettings()
    """What its operator promises."""
    operator: Lower | None = None
    """The company that runs it, for demands about providers; unset: the provider's name (`openai_compatible`: unknown)."""
    labels: list[Label] | None = None
    """The labels it may hold, and no others; unset: what each label needs decides."""
    pinned: bool | None = None
    """Whether its model is one version for good; unset: weights, or a date or a revision after @ in the model's name, say so."""
    weights: Weights | None = None
    """The digest of the weights that an engine of yours serves, as sha256: and 64 signs; it stands in every entry."""
    weights_file: str | None = Field(None, min_length=1)
    """Their file, relative to this one, where it is on this machine: `freehold check` compares its digest with `weights`."""
    capabilities: dict[Capability, bool] = Field({})
    """What it honours and what not, by your word; before the probes' findings and the table of known servers."""
    context_tokens: int | None = Field(None, ge=1, le=1_000_000_000)
    """Tokens of prompt and answer together; a request that is longer for certain goes elsewhere."""
    egress: dict[Annotated[str, known("kind of egress", EGRESS_KINDS)], Class] = Field({})
    """Kinds of egress allowed there, each up to a data class."""
    media_hosts: list[MediaHost] = Field([])
    """Exact hosts from which it may fetch media over https, where egress allows remote_media; others are refused."""
    max_output_tokens: int | None = Field(None, ge=1, le=1_000_000_000)
    """It never answers more than so many tokens; bounds what a request may cost where its caller set no bound."""
    concurrency: int | None = Field(None, ge=1, le=1_000_000)
    """Requests at once before it counts as full."""
    limits: TargetLimitsSettings = TargetLimitsSettings()
    """What its vendor lets you ask, so that requests are held or moved before they are turned away."""
    health: HealthSettings = HealthSettings()
    """When it counts as down, and how it comes back."""
    price: PriceSettings | None = None
    """Needed where the catalogue has none."""
    cost: HardwareSettings | None = None
    """The machine of one replica, for the plan and for the owned cost in the ledger."""
    lab: bool = False
    """A stand-in: said so wherever it appears."""

    @model_validator(mode="after")
    def one_kind(self) -> "TargetSettings":
        if (self.provider is None) == (self.engine is None):
            raise ValueError("give either provider: (rented) or engine: (owned)")
        if self.url is None and (self.engine is not None or PROVIDERS[self.provider or ""].url is None):
            raise ValueError("url is missing: where does it answer?")
        if "?" in (self.url or "") and (self.provider is None or not PROVIDERS[self.provider].queries):
            raise ValueError("only azure has an API version in its url; end it without a query")
        if self.auth is not None and (self.provider is None or self.auth not in PROVIDERS[self.provider].sign_ins):
            raise ValueError(f"{self.provider or self.engine} has no auth: {self.auth}; give it a key")
        if self.auth is not None and self.key is not None:
            raise ValueError("give either key: or auth:, not both")
        if self.auth is not None and self.url is not None:
            require_safe(self.auth, self.url, PROVIDERS[self.provider or ""].token_hosts.get(self.auth), self.auth_host)
        elif self.auth_host is not None:
            raise ValueError("auth_host says where the token of auth: may go, which is missing; give it, or leave auth_host out")
        if self.weights is not None and self.engine is None:
            raise ValueError("weights is for an engine of your own; nobody here can check those of a provider")
        if self.weights_file is not None and self.weights is None:
            raise ValueError("weights_file is compared with weights, which is missing; 'freehold engines run' prints it")
        return self


class WorkloadSettings(Section):
    targets: list[str] = Field(min_length=1)
    """In order of preference."""
    data: Class = DataClass.public
    """Floor of the data class; keys and headers can only raise it."""
    regions: Regions | None = None
    """Where its data may be processed; unset: anywhere."""
    labels: list[Label] = Field([])
    """Labels that all of its data carries."""
    demands: DemandsSettings = DemandsSettings()
    """What else must be known of a target."""
    spill: bool = False
    """Whether full owned capacity may be left for a rented target."""
    media_hosts: list[MediaHost] = Field([])
    """Exact hosts its requests may name media from, over https, besides those of the target."""
    keep_content: KeepContentSettings | None = None
    """What is kept of its prompts and answers; unset: nothing."""
    sensitivity: dict[str, str] | None = None
    """What is done about sensitive content here, by label; before the section of that name."""
    prompts: dict[VariantName, PromptSettings] = Field({})
    """Prompt variants, by name."""
    prompt: ChosenPrompt = None
    """The variant its requests are asked in: a name, or names by target; as they came where it is unset or names no target's."""


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
    labels: list[Label] = Field([])
    """Labels that all of its data carries."""
    demands: DemandsSettings = DemandsSettings()
    """What else must be known of a target."""
    targets: list[str] | None = None
    """Which it may use; unset: all."""
    models: list[str] | None = None
    """Which models it may use, by any name that a request may give them; unset: all."""
    classes: Class | None = None
    """The highest data class it may send; unset: any."""
    team: str | None = Field(None, min_length=1)
    """Whose requests they are, for budgets, limits and the ledger."""
    user: str | None = Field(None, min_length=1)
    """Who sends them, likewise."""
    role: Role | None = None
    """It opens the admin API, and no model: `viewer` reads, `operator` may change the running state, `admin` everything."""
    expires: datetime | None = None
    """It opens nothing from then on; in UTC unless it says otherwise."""
    replays: bool = False
    """Its requests may say which time they stand for (`x-freehold-stands-for`), as a replayed trace does; the plan goes by it."""


class AdminSettings(Section):
    listen: Annotated[Listen, AfterValidator(_loopback)] = "127.0.0.1:8401"
    """Admin API and dashboard; loopback only."""
    key_sha256: Sha256 | None = None
    """Of the admin key; unset: one is made for each run and printed."""


class BoundsSettings(Section):
    body_bytes: int = Field(32 * 1024 * 1024, ge=1024, le=1024**3)
    """Largest request."""
    reply_bytes: int = Field(32 * 1024 * 1024, ge=1024, le=1024**3)
    """Largest whole answer; also what a stream may hold back."""
    in_flight: int = Field(4096, ge=1, le=1_000_000)
    """Requests at once; beyond it 503."""
    attempts: int = Field(4, ge=1, le=16)
    """Targets tried for one request."""
    connect_s: float = Field(5.0, gt=0, le=86_400)
    """Seconds to connect to a target."""
    hold_s: float = Field(2.0, ge=0, le=86_400)
    """Seconds a request may wait for the first target to come back, where all that may serve it are held."""
    headers_s: float = Field(60.0, gt=0, le=86_400)
    """Seconds a target may take to begin a stream's reply at all."""
    first_token_s: float = Field(60.0, gt=0, le=86_400)
    """Seconds from then to its first token."""
    idle_s: float = Field(60.0, gt=0, le=86_400)
    """Seconds between two chunks of a stream."""
    slow_s: float = Field(120.0, gt=0, le=86_400)
    """Seconds of waiting within which a stream has to bring `slow_events` events with content."""
    slow_events: int = Field(3, ge=0, le=1_000_000)
    """As many as that: a stream that drips slower than this is ended."""
    whole_s: float = Field(300.0, gt=0, le=86_400)
    """Seconds one target may take for a whole answer without streaming."""
    total_s: float = Field(900.0, gt=0, le=86_400)
    """Seconds for everything, all attempts included."""


class WebhookSettings(Section):
    """Where changes of signals are sent: CloudEvents, signed, without content."""

    url: Annotated[str, AfterValidator(_hook)]
    """Takes a POST; https unless it is on loopback. Redirects are not followed."""
    key: Reference
    """The secret that signs, as `env:NAME` or `file:PATH`; text, or `whsec_` and base64."""
    source: Annotated[str, matching("[A-Za-z0-9._~:/-]+", "use letters, digits and . _ ~ : / - in it")] = "freehold"
    """The name of this gateway in its events."""


class SignalsSettings(Section):
    """When the team's own traffic says that it is time to run the plan. A signal without its limit is not judged."""

    every_s: float = Field(60.0, ge=0.1, le=86_400)
    """Seconds between two looks at the ledger."""
    window_s: float = Field(86_400.0, ge=1, le=31 * 86_400)
    """Seconds of traffic that each look judges; a day has its busy and its quiet hours. Drift compares with the window before."""
    clock: Literal["received_at", "stands_for"] = "received_at"
    """Real time, or the time that replayed requests stand for (then owned_idle is not judged)."""
    at_least: int = Field(50, ge=1)
    """Requests, or attempts, that a share or a change needs before it is judged."""
    spend_usd_month: Decimal | None = Field(Decimal(2000), gt=0)
    """Rented dollars a month at the window's pace, of a workload and of all; docs/guides/signals.md has its source."""
    revenue_usd_month: Decimal | None = Field(None, gt=0)
    """Your revenue, or margin, in dollars a month."""
    revenue_share: float | None = Field(0.1, gt=0)
    """Share of it that rented cost may reach; judged where revenue_usd_month is given."""
    rate_limited_share: float | None = Field(0.01, gt=0, le=1)
    """Share of attempts at rented targets that are turned away for their rate (429 or overloaded)."""
    ttft_ms: float | None = Field(None, gt=0)
    """Milliseconds a streamed request may take to its first token; unset: lateness is not judged."""
    missed_share: float | None = Field(0.05, gt=0, le=1)
    """Share of streamed requests that may be later than ttft_ms."""
    sensitive_class: Class = DataClass.confidential
    """From this data class on a request counts as sensitive."""
    sensitive_share: float | None = Field(0.2, gt=0, le=1)
    """Share of requests that are sensitive."""
    data_question_share: float | None = Field(0.05, gt=0, le=1)
    """Share of requests that lost a target to a rule about their data: class, label, region, egress, terms, provider."""
    idle_below: float | None = Field(0.2, gt=0, le=0.8)
    """Share of an owned target's slots in use; the signal is on at it and below."""
    drift_ratio: float | None = Field(1.5, ge=1.05)
    """By how many times a rented target's errors, answer length or time to first token may change, beyond chance."""
    webhook: WebhookSettings | None = None
    """Is told of every change."""


class Settings(Section):
    """The whole file."""

    version: Literal[1]
    """Of this format."""
    listen: Listen = "127.0.0.1:8400"
    """The data port: `/v1`, health and metrics."""
    metrics: MetricsRule = "loopback"
    """Who reads `/metrics` there. `role`: the admin key or a role; `loopback`: anyone by a loopback address; `open`: anyone."""
    store: Annotated[str, AfterValidator(_store)] = "sqlite:///freehold.db"
    """The ledger: `sqlite:///FILE` beside this one, `postgresql://user@host/database`, or `postgresql+env:NAME` with that URL."""
    admin: AdminSettings = AdminSettings()
    """The admin plane."""
    keys: list[KeySettings] = Field(min_length=1)
    """Who may call."""
    targets: dict[str, TargetSettings] = Field(min_length=1)
    """Where models are served, by name."""
    workloads: dict[str, WorkloadSettings] = Field(min_length=1)
    """Named streams of like requests, by name."""
    labels: dict[Label, LabelSettings] = Field({})
    """What the labels pii, phi, pci, secret and any of your own ask, by name."""
    sensitivity: SensitivitySettings | None = None
    """Sensitive data found in the content of requests; unset: noted, and nothing else."""
    budgets: list[BudgetSettings] = Field([])
    """What may be spent on rented targets."""
    limits: LimitsSettings = LimitsSettings()
    """How often and how much may be asked."""
    bounds: BoundsSettings = BoundsSettings()
    """Limits of the data plane."""
    content: ContentSettings | None = None
    """The content store; unset: no prompt or answer is kept."""
    signals: SignalsSettings = SignalsSettings()
    """Signals of the build threshold."""
    telemetry: TelemetrySettings | None = None
    """OpenTelemetry; unset: nothing is sent."""
