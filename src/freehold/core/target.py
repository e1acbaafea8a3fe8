"""Where one exact model is served (target), and a named stream of like requests with one policy (workload)."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from freehold.core.capability import Capabilities
from freehold.core.data import DataClass, Handling
from freehold.core.prompt import Variant


class Secret:
    """A credential that never shows itself in logs, reprs or tracebacks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself; only where the outbound call is written."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


class Terms(msgspec.Struct, frozen=True):
    """What the operator of a target promises. None means unknown, and unknown never satisfies a demand."""

    retention_days: int | None = None
    trains_on_data: bool | None = None
    baa: bool = False


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that is paid while an owned target stands there: all its GPUs, and where its price by the hour is from."""

    gpu: str
    count: int
    provider: str
    plan: str
    price_nanousd_h: int
    price_source: str
    price_date: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place where one exact model is served.

    `provider` is the company that runs it (None: not known, or ours), `labels` those it may hold (None: no word on it),
    `pinned` whether the model's version is known never to change. A capability that `capabilities` leaves out is unknown.
    It never answers more than `max_output_tokens` in one choice (None: not stated). `weights`: which ones it serves, as
    `sha256:` and the digest of their file.
    """

    name: str
    kind: Literal["rented", "owned"]
    codec: str
    url: str
    model: str
    clearance: DataClass
    secret: Secret | None = None
    regions: frozenset[str] = frozenset()
    terms: Terms = Terms()
    provider: str | None = None
    labels: frozenset[str] | None = None
    pinned: bool = False
    weights: str | None = None
    capabilities: Capabilities = {}
    context_tokens: int | None = None
    egress: Mapping[str, DataClass] = {}
    concurrency: int | None = None
    max_output_tokens: int | None = None
    hardware: Hardware | None = None
    lab: bool = False

    @property
    def rented(self) -> bool:
        """Someone else's machine, paid per token."""
        return self.kind == "rented"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A named stream of like requests with one policy; `targets` in order of preference. `prompts`: the variant that each
    target is asked in; one that is not there is asked in the caller's own words."""

    name: str
    targets: tuple[str, ...]
    handling: Handling = Handling()
    spill: bool = False
    prompts: Mapping[str, Variant] = {}
