"""What `freehold.yaml` declares about its data: labels, and what workloads and keys demand. Unknown names are refused."""

from collections.abc import Collection, Mapping

from freehold.app.config_file import ConfigFile, Location
from freehold.app.settings import KeySettings, WorkloadSettings
from freehold.core.data import LABELS, Demands, Handling, LabelRule
from freehold.serve.providers import PROVIDERS


class Declared:
    """The labels and providers that may be named, and every workload's and key's handling, checked against them."""

    def __init__(self, file: ConfigFile) -> None:
        """Raises BadSettings at the first name that nobody knows: a rule about it would be silently dead."""
        settings = file.settings
        stated = {name: LabelRule(frozenset(spec.needs), spec.data) for name, spec in settings.labels.items()}
        self._file = file
        self.labels: Mapping[str, LabelRule] = {**LABELS, **stated}
        self.providers = frozenset(PROVIDERS) | {spec.operator for spec in settings.targets.values() if spec.operator}
        for name, target in settings.targets.items():
            self._require_known(("targets", name, "labels"), "label", target.labels or (), self.labels)
        self.workloads = {name: self._handling(("workloads", name), spec) for name, spec in settings.workloads.items()}
        self.keys = [self._handling(("keys", n), spec) for n, spec in enumerate(settings.keys)]

    def _handling(self, where: Location, spec: WorkloadSettings | KeySettings) -> Handling:
        demands = spec.demands
        self._require_known((*where, "labels"), "label", spec.labels, self.labels)
        for field, named in (("allow", demands.providers.allow or ()), ("deny", demands.providers.deny)):
            self._require_known((*where, "demands", "providers", field), "provider", named, self.providers)
        return Handling(
            spec.data,
            None if spec.regions is None else frozenset(spec.regions),
            frozenset(spec.labels),
            Demands(
                retention_days=demands.retention_days,
                no_training=demands.no_training,
                providers=None if demands.providers.allow is None else frozenset(demands.providers.allow),
                not_providers=frozenset(demands.providers.deny),
                pinned=demands.pinned,
            ),
        )

    def _require_known(self, where: Location, what: str, named: Collection[str], known: Collection[str]) -> None:
        for name in named:
            if name not in known:
                raise self._file.refuse(where, f"unknown {what} {name!r}; known: {', '.join(sorted(known))}")
