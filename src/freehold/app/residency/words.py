"""The sentences of the report: the answer first, as one would say it."""

import shlex
from datetime import UTC, datetime

from freehold.app.residency.document import Asked, Residency, Rule
from freehold.core.data import DataClass
from freehold.serve.stores.place import LedgerPlace

# What the ledger has and cannot have: how many stands behind each.
ODD: dict[str, str] = {
    "incomplete": "Entries that do not fit their attempts, because one is missing or the entry names another target",
    "clock": "Entries whose id says another time than the entry, or that ended before they began",
    "displaced": "Entries with an id of this period and a time outside of it, which are in no other figure of this report",
    "future": "Entries that were received after this report was made, as their time says",
    "unattended": "Entries that were received when no gateway with their policy was on record",
    "orphans": "Attempts of no entry, because the entry is missing",
}
_SENSITIVE = {DataClass.confidential.name, DataClass.restricted.name}
_BROKE: dict[Rule, str] = {
    "data_class": "above the clearance of the target",
    "region": "outside the demanded regions",
    "baa": "without a business associate agreement",
    "label": "with a label the target might not hold",
    "retention": "where data was kept longer than demanded",
    "training": "where training on the data was not ruled out",
    "provider": "at a company that might not see it",
    "pinned": "at a model that was not fixed",
    "egress": "with a kind of egress that was not allowed",
    "target": "to a place that was not in their policy",
}


def answer(made: Residency) -> str:
    """The first sentence is the answer; what limits it follows at once."""
    return " ".join([_first(made), *_home(made), *_limits(made)])


def _first(made: Residency) -> str:
    asked, period, what = made.asked, between(made), subject(made.asked)
    of_what = "" if what == "data" else f" with {what}"
    if not made.requests:
        return f"There is nothing to report on {what} {period}: the ledger has no such request."
    if made.violating:
        broken: dict[Rule, int] = {}
        for violation in made.violations:
            broken[violation.rule] = broken.get(violation.rule, 0) + violation.requests
        parts = ", ".join(f"{requests:,} {_BROKE[rule]}" for rule, requests in broken.items())
        return f"{_of(made.violating, made.requests)}{of_what} went where their data must not go {period}: {parts}."
    if made.unproven:
        return (
            f"No violation is known {period}, but {_of(made.unproven, made.requests)}{of_what} cannot be judged, because "
            "what their targets were cleared for is not on record."
        )
    if (asked.data_class or asked.label) and not made.rented:
        return f"No {what} left your own machines {period}: 0 of {counted(made.requests)}."
    return f"No {what} went where it must not go {period}: 0 of {counted(made.requests)}."


def _home(made: Residency) -> list[str]:
    """Whether the most sensitive data stayed on own machines; where that cannot be said, nothing."""
    if made.asked.data_class or made.asked.label:
        return [f"{_of(made.rented, made.requests)} were sent to rented targets."] if made.rented else []
    highest = next((count for count in made.classes if count.data_class in _SENSITIVE), None)
    if highest is None or highest.unproven:
        return []
    if highest.rented:
        return [f"{_of(highest.rented, highest.requests)} with {highest.data_class} data were sent to rented targets."]
    return [f"No {highest.data_class} data left your own machines: 0 of {counted(highest.requests)}."]


def _limits(made: Residency) -> list[str]:
    """What the first sentence cannot be read without."""
    counts = {doubt.kind: doubt.requests or 0 for doubt in made.not_provable}
    said = []
    if made.asked.label and (bare := counts.get("labels", 0)):
        said.append(f"Requests without labels on record, which may have been {made.asked.label} data: {bare:,}.")
    if odd := sum(requests for kind, requests in counts.items() if kind in ODD):
        said.append(f"Rows of the ledger that do not fit together: {odd:,}; see what cannot be proven.")
    return said


def subject(asked: Asked) -> str:
    """What the report is of: `restricted data`, `data labelled phi`, `data of workload triage`."""
    text = f"{asked.data_class} data" if asked.data_class else "data"
    if asked.label:
        text += f" labelled {asked.label}"
    return text + (f" of workload {asked.workload}" if asked.workload else "")


def between(made: Residency) -> str:
    """`between 2026-07-01 and 2026-10-01`, in UTC; from the first entry on where no first day was given."""
    since = made.first_at if made.asked.since is None else made.asked.since
    until = moment(made.asked.until)
    return f"before {until}" if since is None else f"between {moment(since)} and {until}"


def moment(unix_s: float) -> str:
    """A day, or a day and time, in UTC."""
    time = datetime.fromtimestamp(unix_s, UTC)
    return (
        f"{time:%Y-%m-%d}"
        if not unix_s % 86_400
        else f"{time:%Y-%m-%d %H:%M}"
        if not unix_s % 60
        else f"{time:%Y-%m-%d %H:%M:%S}"
    )


def command(ledger: LedgerPlace, asked: Asked) -> str:
    """What makes the same report again, to the microsecond of its period."""
    words = ["freehold", "report", "residency", "--ledger", str(ledger)]
    flags = (("--since", asked.since), ("--until", asked.until), ("--class", asked.data_class), ("--label", asked.label))
    for flag, value in (*flags, ("--workload", asked.workload)):
        if value is not None:
            words += [flag, value if isinstance(value, str) else exact(value)]
    return shlex.join(words)


def exact(unix_s: float) -> str:
    """A time as `--since` and `--until` take it."""
    time = datetime.fromtimestamp(unix_s, UTC)
    return f"{time:%Y-%m-%d}" if not unix_s % 86_400 else time.isoformat().removesuffix("+00:00") + "Z"


def counted(requests: int) -> str:
    """`1 request`, `12,345 requests`."""
    return f"{requests:,} request{'' if requests == 1 else 's'}"


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {counted(whole)}"
