"""What to compare for a workload, in names that the catalog resolves."""

from decimal import Decimal

import msgspec

from freehold.core.data import DataClass
from freehold.core.price import PriceCard
from freehold.plan.inputs import Source
from freehold.plan.owning.capacity import Precision

# An API that hosts the model, for when none is named: renting the same model is always the third candidate.
HOSTED = {"Llama-3.1-8B": "groq/llama-3.1-8b-instant", "Llama-3.3-70B": "groq/llama-3.3-70b-versatile"}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare, in names. `chosen` holds the fields somebody set; the others are defaults and are shown as such.

    `clearance`: the highest data class that may be rented. `hosted`: APIs of the owned model; empty means the one known here, and
    `("none",)` that there is none to compare. `usd_per_hour` prices one replica's GPUs instead of the catalog; `prefill_tok_s`
    with `decode_tok_s` replace the capacity figure by a measurement. `capex_usd`: what one GPU with its share of a server costs
    to buy; `dedicated_usd_h`: an hour of one replica's GPUs as a dedicated deployment; `rent_source`: who says what is rented.
    """

    rent: str = "openai/gpt-4o"
    price: PriceCard | None = None
    clearance: DataClass = DataClass.internal
    model: str = "Llama-3.1-8B"
    precision: Precision | None = None
    gpu: str = "L40S"
    gpu_count: int = 1
    provider: str = "aws"
    hire_plan: str = "on_demand"
    usd_per_hour: Decimal | None = None
    prefill_tok_s: float | None = None
    decode_tok_s: float | None = None
    hosted: tuple[str, ...] = ()
    capex_usd: float | None = None
    dedicated_usd_h: Decimal | None = None
    rent_source: Source = "default"
    chosen: frozenset[str] = frozenset()
