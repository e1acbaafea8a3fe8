"""From a trace file or a ledger to the columns that `freehold size` simulates."""

from pathlib import Path

import numpy as np

from freehold.core.errors import BadSettings
from freehold.lab.traces import open_trace
from freehold.plan.capacity.simulator.arrivals import Arrivals, arrivals_of
from freehold.plan.demand.traffic import joined
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.reader import LedgerReader


def traced(path: Path) -> Arrivals:
    """All requests of a trace file. Raises BadSettings."""
    return arrivals_of(open_trace(path))


def recorded(ledger: LedgerPlace, workload: str | None) -> Arrivals:
    """The finished requests of a ledger, of one workload or of all together; its rows name no prefix blocks, so that every input
    is computed whole. Raises BadSettings where there are none."""
    columns = LedgerReader(ledger).columns()
    if workload is not None and workload not in columns:
        raise BadSettings(f"no finished request of workload {workload!r} there; it has {', '.join(sorted(columns)) or 'none'}")
    parts = [requests for name, requests in columns.items() if workload in (None, name)]
    if not parts:
        raise BadSettings(f"{ledger} has no finished request; give a ledger that served some, or --trace")
    seen = joined(parts)
    order = np.argsort(seen.unix_s, kind="stable")
    return Arrivals(
        at_s=seen.unix_s[order].astype(np.float64),
        input_tokens=np.maximum(1, seen.input_tokens[order].astype(np.int64)),
        output_tokens=np.maximum(1, seen.output_tokens[order].astype(np.int64)),
    )
