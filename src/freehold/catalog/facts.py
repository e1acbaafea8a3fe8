"""GPUs, what they cost to rent, and the shapes of open models: the facts planning stands on, each with its source."""

import csv
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from importlib import resources
from typing import Any, TypeVar

import msgspec
import yaml

from freehold.catalog.names import Names, near
from freehold.core.errors import BadSettings


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator. TFLOPS are dense, never sparse; None where the hardware lacks the format."""

    gpu: str
    vendor: str
    arch: str
    form: str
    bf16_tflops_dense: float
    fp8_tflops_dense: float | None
    fp4_tflops_dense: float | None
    mem_gb: float
    mem_bw_gb_s: float
    tdp_w: float
    interconnect_gb_s_per_dir: float
    pcie_gb_s_per_dir: float = 32.0
    gpus_per_node: int
    source: str


class GpuOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One instance for rent: dollars per hour for all of it, None where unknown. `price_date` is ISO, maybe only a year."""

    provider: str
    instance: str
    gpu: str
    gpu_count: int
    vram_gb_per_gpu: float
    on_demand_usd_h: Decimal | None
    spot_usd_h: Decimal | None
    reserved_1y_usd_h: Decimal | None
    reserved_3y_usd_h: Decimal | None
    region: str | None
    price_date: str
    tier: str
    source: str

    @property
    def usd_per_gpu_h(self) -> Decimal | None:
        """On-demand dollars per GPU and hour."""
        return None if self.on_demand_usd_h is None else self.on_demand_usd_h / self.gpu_count

    @property
    def historic(self) -> bool:
        """A price that no longer applies, kept to recompute old claims."""
        return "historic" in self.tier


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Shape of one open-weight model. Parameters in billions, counted from the shape; `active_b` per token (MoE).

    `window_layers` of the layers attend to the last `sliding_window` tokens only (attention_windows.csv).
    """

    model: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    experts: int
    active_experts: int
    sliding_window: int | None
    params_b: float = msgspec.field(name="params_b_computed")
    active_b: float = msgspec.field(name="active_b_computed")
    kv_bytes_per_token_bf16: int
    max_context: int
    vocab: int
    tied_embeddings: bool = False
    dense_layers: int | None = None
    kv_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    v_head_dim: int | None = None
    window_layers: int = 0
    source: str


class _Window(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    window_layers: int


class _Known(msgspec.Struct, frozen=True):
    dates: dict[str, dt.date]
    gpus: dict[str, list[str]]
    models: dict[str, list[str]]
    variants: frozenset[str]


class Facts:
    """The three tables, searchable by the names people use."""

    def __init__(self, gpus: Iterable[Gpu], offers: Iterable[GpuOffer], models: Iterable[ModelFacts], known: _Known) -> None:
        self.gpus = {g.gpu: g for g in gpus}
        self.models = {m.model: m for m in models}
        self._gpu_names = Names(self.gpus, known.gpus)
        self._model_names = Names(self.models, known.models)
        self._variants = known.variants
        self._compiled = known.dates
        self.all_offers = tuple(msgspec.structs.replace(o, gpu=self._filed_gpu(o)) for o in offers)

    def gpu(self, name: str) -> Gpu:
        """The accelerator of that name or alias. Raises BadSettings naming the near ones."""
        found = self.gpus.get(self._gpu_names.find(name) or "")
        if found is None:
            raise BadSettings(_unknown("GPU", name, self.gpus))
        return found

    def model(self, name: str) -> ModelFacts:
        """The model of that name, alias or hub id. Raises BadSettings naming the near ones."""
        bare = name.partition("@")[0].rpartition("/")[2]
        found = self._model_names.find_family(bare, self._variants)
        if found is None:
            raise BadSettings(_unknown("model", bare, self.models))
        return self.models[found]

    def offers(self, gpu: str, provider: str | None = None) -> list[GpuOffer]:
        """Current offers of that GPU, cheapest per GPU on demand first, unknown prices last; empty when nobody lists it.

        Mixed tiers: marketplace and community machines come first because they are cheapest, so look at `tier`.
        Raises BadSettings on a GPU or provider in no table.
        """
        sold = {o.gpu for o in self.all_offers}
        canonical = self._gpu_names.find(gpu) or next((s for s in sold if s.lower() == gpu.strip().lower()), None)
        if canonical is None:
            raise BadSettings(_unknown("GPU", gpu, {*self.gpus, *sold}))
        providers = {o.provider for o in self.all_offers}
        if provider is not None and provider.lower() not in providers:
            raise BadSettings(_unknown("GPU provider", provider, providers))
        found = [o for o in self.all_offers if o.gpu == canonical and not o.historic]
        if provider is not None:
            found = [o for o in found if o.provider == provider.lower()]
        return sorted(found, key=lambda o: (o.usd_per_gpu_h is None, o.usd_per_gpu_h or 0, o.gpu_count, o.provider, o.instance))

    def stale(self, today: dt.date, days: int = 90) -> list[str]:
        """One line per data file whose newest fact is more than `days` old; empty when all are fresh."""
        newest_price = max(o.price_date for o in self.all_offers if len(o.price_date) == len("2026-01-01"))
        dated = self._compiled | {"gpu_prices.csv": dt.date.fromisoformat(newest_price)}
        return [
            f"{file}: newest facts are of {date}, {(today - date).days} days old; check them before you decide"
            for file, date in sorted(dated.items())
            if (today - date).days > days
        ]

    def _filed_gpu(self, offer: GpuOffer) -> str:
        """Price lists reuse a name for cards that differ in memory, so the name with its memory is tried first."""
        return self._gpu_names.find(f"{offer.gpu}/{offer.vram_gb_per_gpu:g}") or self._gpu_names.find(offer.gpu) or offer.gpu


def load_facts() -> Facts:
    """Read the tables shipped with the package. Call once and keep the result."""
    known = msgspec.convert(yaml.safe_load(_text("names.yaml")), _Known)
    return Facts(_rows("gpus.csv", Gpu), _rows("gpu_prices.csv", GpuOffer), _models(), known)


def _models() -> list[ModelFacts]:
    layers = {window.model: window.window_layers for window in _rows("attention_windows.csv", _Window)}
    return [msgspec.structs.replace(m, window_layers=layers.get(m.model, 0)) for m in _rows("models.csv", ModelFacts)]


_Row = TypeVar("_Row", Gpu, GpuOffer, ModelFacts, _Window)


def _rows(file: str, kind: type[_Row]) -> list[_Row]:
    records: list[dict[str, Any]] = [
        {column: cell or None for column, cell in row.items()} for row in csv.DictReader(_text(file).splitlines())
    ]
    return msgspec.convert(records, list[kind], strict=False)  # type: ignore[valid-type]


def _text(file: str) -> str:
    return (resources.files("freehold.catalog") / "data" / file).read_text(encoding="utf-8")


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    hint = ", ".join(near(name, names)) or ", ".join(names)
    return f"unknown {what} {name!r}; known: {hint}"
