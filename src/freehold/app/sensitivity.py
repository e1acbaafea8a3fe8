"""From the settings about sensitive content to the inspector of a policy."""

from collections.abc import Collection

from freehold.app.config_file import ConfigFile, Location
from freehold.app.opinions import build_opinions
from freehold.app.sensitivity_settings import SensitivitySettings
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.actions import Actions
from freehold.rules.sensitivity.kinds import read_kinds, shipped_kinds, with_own
from freehold.rules.sensitivity.scanner import Scanner
from freehold.serve.gateway.inspection import Inspector


def build_inspector(file: ConfigFile) -> Inspector | None:
    """None where scanning is switched off. Raises BadSettings naming the field, or the file of own kinds and its entry.

    A workload changes the labels that it names; the others are as the section says.
    """
    stated = file.settings.sensitivity
    if stated is not None and not stated.scan:
        _refuse_idle(file, stated)
        return None
    kinds = shipped_kinds()
    for n, name in enumerate(() if stated is None else stated.patterns):
        path = file.path.parent / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise file.refuse(("sensitivity", "patterns", n), f"cannot read it: {error}") from None
        kinds = with_own(kinds, read_kinds(text, str(path)))
    usual = Actions.note_all() if stated is None else _actions(file, ("sensitivity", "labels"), stated.labels)
    by_workload = {
        name: _actions(file, ("workloads", name, "sensitivity"), {**(stated.labels if stated else {}), **spec.sensitivity})
        for name, spec in file.settings.workloads.items()
        if spec.sensitivity is not None
    }
    return Inspector(Scanner(kinds), usual, by_workload, build_opinions(file))


def _refuse_idle(file: ConfigFile, stated: SensitivitySettings) -> None:
    """Whoever wrote down what is to be done believes that it is done."""
    places: dict[Location, Collection[str]] = {
        ("sensitivity", "labels"): stated.labels,
        ("sensitivity", "patterns"): stated.patterns,
        ("sensitivity", "opinions"): stated.opinions,
    }
    places |= {("workloads", name, "sensitivity"): spec.sensitivity or {} for name, spec in file.settings.workloads.items()}
    for place, said in places.items():
        if said:
            raise file.refuse(place, "nothing is scanned, so this would do nothing; leave it out, or scan")


def _actions(file: ConfigFile, place: Location, given: dict[str, str]) -> Actions:
    try:
        return Actions.read(given, place[-1] if isinstance(place[-1], str) else "sensitivity")
    except BadSettings as error:
        raise file.refuse(place, error.message) from None
