"""Rules of a valid configuration that do nothing: dead ones, which can never work, and unused ones, which nothing asks for yet.

`freehold check` refuses the dead and warns of the unused. `freehold serve` only says in its log which are dead: to tighten a
floor must never be delayed by a target that is thereby left standing in a list.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from freehold.app.config_file import ConfigFile, Location
from freehold.app.floors import removed_at_floor
from freehold.app.guards import content_path
from freehold.app.ledgers import configured_ledger
from freehold.app.probes import read_probes
from freehold.app.unbounded import unbounded_targets
from freehold.core.data import Handling, Party
from freehold.core.errors import BadSettings
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.rules.constraints import removed_by
from freehold.rules.handling import settle
from freehold.serve.access.keys import Key
from freehold.serve.gateway.policy import Policy


class DeadRules(msgspec.Struct, frozen=True):
    """One line each, with file, line and field. `unbounded`: targets that turn requests away which set no bound themselves."""

    dead: tuple[str, ...]
    unused: tuple[str, ...]
    unbounded: tuple[str, ...] = ()

    def refuse(self) -> None:
        """Raises BadSettings with the first dead rule, saying how many more there are."""
        if self.dead:
            more = f" (and {len(self.dead) - 1} more)" if len(self.dead) > 1 else ""
            raise BadSettings(self.dead[0] + more)


def dead_rules(file: ConfigFile, policy: Policy) -> DeadRules:
    """What in the file can never work, and what is merely unused."""
    found = ((n, policy.keys.find(spec.sha256)) for n, spec in enumerate(file.settings.keys))
    keys = {n: key for n, key in found if key is not None and key.role is None}
    dead = [*_places(file), *_shadowed(policy), *_spills(policy), *_keys(policy, keys)]
    unused = [*_unused_targets(policy), *_unused_workloads(policy, keys), *_unheld_labels(file, policy), *_findings(file, policy)]
    return DeadRules(
        tuple(file.place(where) + message for where, message in dead),
        tuple(file.place(where) + message for where, message in unused),
        tuple(file.place(where) + message for where, message in unbounded_targets(policy)),
    )


_Found = Iterator[tuple[Location, str]]


def _places(file: ConfigFile) -> _Found:
    """Where it listens and where its ledger is."""
    settings = file.settings
    host, _, port = settings.listen.rpartition(":")
    admin_host, _, admin_port = settings.admin.listen.rpartition(":")
    if int(port) == int(admin_port) and int(port) and ({host, admin_host} & {"0.0.0.0", "::"} or host == admin_host):  # noqa: S104
        yield ("admin", "listen"), f"port {port} is the data port too; give one of them another"
    ledger = configured_ledger(file)
    if isinstance(ledger, Path):
        yield from _no_file(("store",), ledger)
    if settings.content is not None:
        yield from _no_file(("content", "path"), content_path(file, settings.content.path))


def _no_file(where: Location, path: Path) -> _Found:
    if not path.parent.is_dir():
        yield where, f"the folder {path.parent} is not there; make it, or name one that is"
    elif path.is_dir():
        yield where, f"{path} is a folder; name a file in it"


def _shadowed(policy: Policy) -> _Found:
    """A target that the workload's own floor removes from every request."""
    for name, workload in policy.workloads.items():
        for target in _targets(policy, workload):
            if removed := removed_at_floor(workload, target, policy.labels):
                what = f"{target.name} may never serve it ({removed.constraint}: {removed.detail}); take it out of the list"
                yield ("workloads", name, "targets"), what


def _spills(policy: Policy) -> _Found:
    for name, workload in policy.workloads.items():
        if not workload.spill:
            continue
        targets = _targets(policy, workload)
        if not any(t.rented and not removed_at_floor(workload, t, policy.labels) for t in targets):
            yield ("workloads", name, "spill"), "no rented target may serve it, so that nothing can spill; say spill: false"
        elif all(t.rented for t in targets):
            yield ("workloads", name, "spill"), "it has no owned target that could be full; say spill: false"


def _keys(policy: Policy, keys: Mapping[int, Key]) -> _Found:
    """A key whose own demands leave no target in a workload that it names, or in any at all."""
    for n, key in keys.items():
        usable = [w for w in policy.workloads.values() if key.workloads is None or w.name in key.workloads]
        shut = {w.name: _why_shut(policy, w, key) for w in usable}
        if shut and all(shut.values()):
            yield ("keys", n), f"no target may serve what it sends: {'; '.join(f'{w}: {why}' for w, why in shut.items())}"
        elif key.workloads is not None:
            for name, why in shut.items():
                if why:
                    yield ("keys", n, "workloads"), f"no target of {name} may serve what it sends: {why}"


def _unused_targets(policy: Policy) -> _Found:
    used = {name for workload in policy.workloads.values() for name in workload.targets}
    for name in policy.targets.keys() - used:
        yield ("targets", name), "no workload uses it"


def _unused_workloads(policy: Policy, keys: Mapping[int, Key]) -> _Found:
    for name in policy.workloads:
        if not any(key.workloads is None or name in key.workloads for key in keys.values()):
            yield ("workloads", name), "no key of this file may use it"


def _unheld_labels(file: ConfigFile, policy: Policy) -> _Found:
    """A label that this file speaks of and that no target may hold: data that carries it is always refused."""
    for name in file.settings.labels:
        carrying = settle([Party("label", Handling(labels=frozenset({name})))], policy.labels)
        if all(removed_by(Ask(workload="", handling=carrying, labels=policy.labels), t) for t in policy.targets.values()):
            yield ("labels", name), "no target may hold data with this label; every request that carries it is refused"


def _findings(file: ConfigFile, policy: Policy) -> _Found:
    """Findings of probes that no longer count, or that the settings contradict."""
    record = read_probes(file.path)
    for name, probed in record.targets.items():
        target = policy.targets.get(name)
        if target is None or not probed.is_about(target):
            where: Location = ("targets",) if target is None else ("targets", name)
            yield where, f"the probe of {name} on {probed.at[:10]} was of another target; ask again with check --probe"
            continue
        stated = file.settings.targets[name].capabilities
        for capability, honoured in probed.capabilities().items():
            if stated.get(capability, honoured) != honoured:
                verdict = probed.findings[capability].verdict
                yield (
                    ("targets", name, "capabilities"),
                    f"{capability} is stated against the probe of {probed.at[:10]}: {verdict}",
                )


def _targets(policy: Policy, workload: Workload) -> list[Target]:
    return [policy.targets[name] for name in workload.targets]


def _why_shut(policy: Policy, workload: Workload, key: Key) -> str:
    """Why no target of the workload may serve this key; empty where one may."""
    own = Party("key", key.handling)
    removed = [removed_at_floor(workload, target, policy.labels, own) for target in _targets(policy, workload)]
    return ", ".join(f"{r.target} ({r.detail})" for r in removed if r) if all(removed) else ""
