"""The headers every reply carries: what happened to the request, for people reading a terminal and for machines."""

from collections.abc import Sequence

from freehold.core.money import dollars
from freehold.serve.gateway.record import Record
from freehold.wire.limits import limit_headers

_COST = "x-freehold-cost-usd"


def reply_headers(record: Record) -> Sequence[tuple[str, str]]:
    """`x-request-id` and `x-freehold-*`, and what is left of the limits.

    The cost is the rented one, known once an answer is whole: the head of a stream carries none, nor does an answer from
    owned capacity, whose cost is the machine's and not the request's.
    """
    headers = [("x-request-id", record.id)]
    if not record.opened:
        return headers
    entry = record.entry
    headers.append(("x-freehold-workload", entry.workload))
    headers.append(("x-freehold-attempts", str(len(entry.attempts))))
    headers.append(("x-freehold-overhead-ms", f"{record.overhead_s() * 1000:.2f}"))
    if entry.target is not None:
        headers.append(("x-freehold-target", entry.target))
        headers.append(("x-freehold-reason", entry.reason.encode("ascii", "replace").decode()))
    if record.left_out:
        headers.append(("x-freehold-left-out", ", ".join(sorted(record.left_out))))
    entered = record.admitted.entered
    headers.extend(limit_headers(entered.windows, entry.dialect, entered.at))
    if record.admitted.held.over:
        headers.append(("x-freehold-budget", ", ".join(f"{name} over" for name in record.admitted.held.over)))
    if record.ended and entry.basis != "owned":
        headers.append((_COST, _cost(record)))
    return headers


def cost_comment(record: Record) -> bytes:
    """The same cost as a comment of the stream that it closes, for a caller who asked for it; every reader of events skips it."""
    if not (record.opened and record.reports_cost and record.ended) or record.entry.basis == "owned":
        return b""
    return f": {_COST}={_cost(record)}\n\n".encode()


def _cost(record: Record) -> str:
    return f"{dollars(record.entry.cost_nanousd):f}"
