"""What a ledger says was spent: rented cost, owned cost with what of it stood idle, and what it would have cost elsewhere."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from freehold.core.machine import OwnedMachine
from freehold.rules.allocation import MICRO, MachineHour, OwnedShare
from freehold.serve.stores.allocation import AllocationReader, EntryCost
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.reader import LedgerReader, Slice


class Spent(Slice, frozen=True, kw_only=True):
    """A slice with every cost. `cost_nanousd` is the rented one, `owned_nanousd` its part of machine hours by slot-seconds.

    `shadow_nanousd` is what `shadowed` of its requests would have cost elsewhere: a comparison, part of no sum. None: unknown.
    """

    owned_nanousd: int | None = None
    marginal_nanousd: int | None = None
    shadow_nanousd: int | None = None
    shadowed: int = 0
    lab: bool | None = None


class MachineUse(OwnedMachine, frozen=True, kw_only=True):
    """A target's machine, as it was last, over all the time it was seen. `utilisation`: busy slot-seconds of those it had.

    It is None where slots were not declared; above 1 requests waited in the engine's own queue.
    """

    up_s: float
    busy_slot_s: float
    utilisation: float | None
    cost_nanousd: int
    idle_nanousd: int


class Spending(msgspec.Struct, frozen=True):
    """Who spent what where, and each owned machine beside it."""

    slices: list[Spent]
    machines: list[MachineUse]


def spending(ledger: LedgerPlace) -> Spending:
    """All that a ledger has. Raises BadSettings when it cannot be read."""
    reader = AllocationReader(ledger)
    hours, shares = reader.hours_and_shares()
    beside = {(s.workload, s.target): s for s in reader.slices()}
    owned: Counter[tuple[str | None, str | None]] = Counter()
    for share in shares:
        owned[share.workload, share.target] += share.cost_nanousd
    slices: list[Spent] = []
    for piece in LedgerReader(ledger).slices():
        spent = Spent(**msgspec.structs.asdict(piece), owned_nanousd=owned.pop((piece.workload, piece.target), None))
        found = beside.get((piece.workload, piece.target))
        slices.append(spent if found is None else msgspec.structs.replace(
            spent, marginal_nanousd=found.marginal_nanousd, shadow_nanousd=found.shadow_nanousd, shadowed=found.shadowed,
            lab=found.lab,
        ))  # fmt: skip
    slices += [_tried_only(workload, target, cost, shares) for (workload, target), cost in owned.items() if workload and target]
    return Spending(slices, machine_uses(hours, shares))


def machine_uses(hours: Sequence[MachineHour], shares: Iterable[OwnedShare]) -> list[MachineUse]:
    """One line for each target that a machine stood behind, by name."""
    busy: Counter[str] = Counter()
    idle: Counter[str] = Counter()
    for share in shares:
        busy[share.target] += round(share.busy_slot_s * MICRO)
        idle[share.target] += share.cost_nanousd if share.workload is None else 0
    uses: list[MachineUse] = []
    for target in sorted({hour.machine.target for hour in hours}):
        mine = [hour for hour in hours if hour.machine.target == target]
        slots = [hour.slot_us for hour in mine if hour.slot_us is not None]
        uses.append(MachineUse(
            **msgspec.structs.asdict(mine[-1].machine), up_s=sum(h.up_us for h in mine) / MICRO, busy_slot_s=busy[target] / MICRO,
            utilisation=busy[target] / sum(slots) if len(slots) == len(mine) else None,
            cost_nanousd=sum(h.cost_nanousd for h in mine), idle_nanousd=idle[target],
        ))  # fmt: skip
    return uses


def recent_entries(ledger: LedgerPlace, limit: int) -> list[dict[str, object]]:
    """The newest entries with every cost, newest first."""
    rows = LedgerReader(ledger).recent(limit)
    costs = AllocationReader(ledger).of_entries([str(row["id"]) for row in rows])
    return [row | msgspec.structs.asdict(costs.get(str(row["id"]), EntryCost())) for row in rows]


def _tried_only(workload: str, target: str, cost: int, shares: Iterable[OwnedShare]) -> Spent:
    """Hours of a machine where attempts of the workload ran and none became its answer: that money has no slice otherwise."""
    model, lab = next((s.model, s.lab) for s in shares if (s.workload, s.target) == (workload, target))
    return Spent(workload, target, "owned", model, 0, 0, 0, 0, 0, 0, None, owned_nanousd=cost, lab=lab)
