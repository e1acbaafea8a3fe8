"""A machine that an owned target is paid for, and the time it was seen standing there, used or not."""

import msgspec


class OwnedMachine(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a target and its price by the hour, with where the price is from.

    `gpu_count` are the GPUs paid for; `slots` are the requests it takes at once, None where nobody declared it.
    """

    target: str
    model: str
    price_nanousd_h: int
    slots: int | None
    gpu: str
    gpu_count: int
    provider: str
    hire_plan: str
    price_source: str
    price_date: str
    lab: bool


class MachineSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a gateway had the machine. Unix seconds."""

    machine: OwnedMachine
    began_at: float
    seen_until: float
