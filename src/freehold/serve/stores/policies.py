"""The policies in a ledger: what each version said of its targets and releases, once, and when a gateway served under it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.policy_facts import PolicyFacts, PolicySpan, TargetFacts
from freehold.core.releases import Release
from freehold.serve.stores.connection import Connection, Row
from freehold.serve.stores.opening import connected
from freehold.serve.stores.place import LedgerPlace, StoreError

_COLUMNS = TargetFacts.__struct_fields__
_NAMES = ", ".join(_COLUMNS)
_PUT = (
    f"INSERT INTO policies (version, loaded_at, {_NAMES}) VALUES ({', '.join('?' * (len(_COLUMNS) + 2))}) ON CONFLICT DO NOTHING"  # noqa: S608
)
_KEPT = f"SELECT {_NAMES} FROM policies WHERE version = ? ORDER BY target"  # noqa: S608 (fixed names)
_ALL = f"SELECT version, loaded_at, {_NAMES} FROM policies ORDER BY version, target"  # noqa: S608 (fixed names)
_PUT_RELEASE = """INSERT INTO policy_releases (version, workload, target, model, prompt, weights) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING"""
_KEPT_RELEASES = """SELECT workload, target, model, prompt, weights FROM policy_releases WHERE version = ?
    ORDER BY workload, target"""
_RELEASES = "SELECT version, workload, target, model, prompt, weights FROM policy_releases ORDER BY version, workload, target"
_BEGIN = "INSERT INTO policy_spans (version, began_at, seen_until) VALUES (?, ?, ?) RETURNING id"
_SEEN = "UPDATE policy_spans SET seen_until = ? WHERE id = ? AND seen_until < ?"
_SPANS = "SELECT version, began_at, seen_until FROM policy_spans ORDER BY began_at, id"


class PolicyRecord:
    """The writing side of one gateway, beside its journal: each call is a short transaction of its own."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._span: tuple[str, int] | None = None

    def loaded(self, version: str, targets: Sequence[TargetFacts], now: float, releases: Sequence[Release] = ()) -> None:
        """Facts are written with the first load of a version and never changed. Raises LedgerUnavailable, and BadSettings where
        other facts stand there under the same version."""
        rows = sorted(_row(facts) for facts in targets)
        served = [msgspec.structs.astuple(one) for one in sorted(releases, key=lambda one: (one.workload, one.target))]
        with self._writing() as db:
            if not db.rows(_KEPT, (version,)):  # another gateway may write the same ones at this moment
                db.run_many(_PUT, [(version, now, *row) for row in rows])
                db.run_many(_PUT_RELEASE, [(version, *row) for row in served])
            if db.rows(_KEPT, (version,)) != rows or db.rows(_KEPT_RELEASES, (version,)) != served:
                raise BadSettings(
                    f"the ledger has other facts about the targets of policy {version}; change the configuration file, if only "
                    "by a comment, so that it becomes a version of its own"
                )
            ((span,),) = db.rows(_BEGIN, (version, now, now))
        self._span = (version, span)

    def seen(self, version: str, now: float) -> None:
        """The span of that version moves on; one that was not loaded here is left to who loads it. Raises LedgerUnavailable."""
        if self._span is not None and version == self._span[0]:
            with self._writing() as db:
                db.run(_SEEN, (now, self._span[1], now))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with closing(connected(self._place, read_only=False)) as db, db.transaction():
                yield db
        except StoreError as error:
            raise LedgerUnavailable(f"the policy cannot be put on record: {error}") from None


def kept_policies(db: Connection) -> dict[str, PolicyFacts]:
    """Every version on record; none where the ledger is older than the record. Raises StoreError."""
    found: dict[str, PolicyFacts] = {}
    for version, loaded_at, *row in db.rows(_ALL) if db.has("policies") else ():
        before = found.get(version)
        try:
            facts = _facts(row)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StoreError(f"the record of policy {version} cannot be read: {error}") from None
        targets = {facts.target: facts} if before is None else {**before.targets, facts.target: facts}
        found[version] = PolicyFacts(version=version, loaded_at=loaded_at, targets=targets)
    return found


def kept_releases(db: Connection) -> dict[str, list[Release]]:
    """By version, what each workload's requests were asked of at each target; nothing of versions older than that record."""
    found: dict[str, list[Release]] = {}
    for version, workload, target, model, prompt, weights in db.rows(_RELEASES) if db.has("policy_releases") else ():
        release = Release(workload=workload, target=target, model=model, prompt=prompt, weights=weights)
        found.setdefault(version, []).append(release)
    return found


def kept_spans(db: Connection) -> list[PolicySpan]:
    """When gateways served, by their beginning. Raises StoreError."""
    rows = db.rows(_SPANS) if db.has("policy_spans") else []
    return [PolicySpan(version=version, began_at=began, seen_until=until) for version, began, until in rows]


def _row(facts: TargetFacts) -> Row:
    values = msgspec.structs.asdict(facts) | {
        "regions": ",".join(facts.regions),
        "labels": None if facts.labels is None else ",".join(facts.labels),
        "egress": msgspec.json.encode(facts.egress, order="sorted").decode(),
    }
    return tuple(int(value) if isinstance(value, bool) else value for value in values.values())


def _facts(row: Sequence[object]) -> TargetFacts:
    """Raises MsgspecError, ValueError on what no gateway writes."""
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in ("regions", "labels"):
        if isinstance(text := values[name], str):
            values[name] = tuple(text.split(",")) if text else ()
    values["egress"] = msgspec.json.decode(str(values["egress"]))
    facts = msgspec.convert(values, TargetFacts, strict=False)
    for name in (facts.clearance, *facts.egress.values()):
        if name not in DataClass.__members__:
            raise ValueError(f"unknown data class {name!r}")
    return facts
