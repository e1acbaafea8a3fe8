"""The whole conversion: LiteLLM's config.yaml in, the text of freehold.yaml and the report out. Nothing is written here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from freehold.app.config_file import ConfigFile
from freehold.app.imports.litellm.deployments import Around, LeftOut, Served, convert
from freehold.app.imports.litellm.document import read_config
from freehold.app.imports.litellm.draft import Draft
from freehold.app.imports.litellm.entries import Entry, expanded, read_entries
from freehold.app.imports.litellm.fates import Fates, KeyFate, shown
from freehold.app.imports.litellm.settings import put_settings
from freehold.app.imports.litellm.workloads import alias_names, asked_names, put_workloads
from freehold.catalog.prices import PriceBook

_HEADING = (
    "Made from LiteLLM's {name} by `freehold import litellm`. Lines with CHOOSE or CHECK wait for a person.",
    "",
    "It is closed where LiteLLM's file says nothing: every target is cleared for public data only, no region is declared and no",
    "promise of a provider is assumed. Requests count as public until a workload, a key or the header x-freehold-data says more.",
    "`freehold check` says whether it would serve; docs/guides/switch-from-litellm.md has the whole way.",
)


class LeftOutEntry(msgspec.Struct, frozen=True):
    """A deployment that is no target, and why."""

    key: str
    model_name: str
    why: str


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """`text`: freehold.yaml, None where nothing could be taken over. `environment`: the variables it reads secrets from."""

    text: str | None
    targets: list[str]
    workloads: list[str]
    environment: list[str]
    left_out: list[LeftOutEntry]
    report: list[KeyFate]


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed besides the file: prices and their day, the environment, names asked for by wildcard, a key's hash."""

    today: dt.date
    book: PriceBook
    environment: Mapping[str, str]
    models: Sequence[str]
    key_sha256: str


def convert_file(path: Path, out: Path, given: Circumstances) -> Conversion:
    """Raises BadSettings on a file that is none of LiteLLM's; a deployment that cannot be taken over is in `left_out`."""
    values, fates, draft = read_config(path), Fates(), Draft()
    stated = read_entries(values)
    entries = expanded(stated, [*asked_names(values), *given.models], fates)
    taken = frozenset({entry.group for entry in entries} | set(alias_names(values)))
    served, left_out = _convert_all(entries, fates, Around(given.today, given.book, given.environment, taken))
    for one in served:
        draft.targets[one.name] = one.target
        for field, remark in one.remarks.items():
            draft.remark(("targets", one.name, field), remark)
    text = None
    put_settings(values, draft, fates)
    if served:
        put_workloads(values, served, draft, fates)
        _say_wildcards(stated, served, fates)
        text = _text(path, draft, given.key_sha256)
        ConfigFile(out, text)
    return Conversion(
        text=text, targets=list(draft.targets), workloads=list(draft.workloads), environment=_variables(draft),
        left_out=left_out, report=fates.lines(values),
    )  # fmt: skip


def _convert_all(entries: Sequence[Entry], fates: Fates, around: Around) -> tuple[list[Served], list[LeftOutEntry]]:
    served: list[Served] = []
    left_out: list[LeftOutEntry] = []
    for entry in entries:
        try:
            served.append(convert(entry, fates, around))
        except LeftOut as reason:
            left_out.append(LeftOutEntry(shown(entry.at), entry.group, str(reason)))
    return served, left_out


def _say_wildcards(stated: Sequence[Entry], served: Sequence[Served], fates: Fates) -> None:
    for entry in stated:
        names = [one.entry.group for one in served if one.entry.at == entry.at]
        if "*" in entry.group and names:
            says = f"workloads {', '.join(names)}; every other name is refused until a target is added"
            fates.approximated((*entry.at, "model_name"), says)


def _text(path: Path, draft: Draft, key_sha256: str) -> str:
    draft.remark(("keys",), "One key for all callers so far. CHOOSE who gets which: freehold keys create --name, with a team.")
    return draft.text([line.format(name=path.name) for line in _HEADING], {"name": "from-litellm", "sha256": key_sha256})


def _variables(draft: Draft) -> list[str]:
    keys = [str(target.get("key", "")) for target in draft.targets.values()]
    return list(dict.fromkeys(key.removeprefix("env:") for key in keys if key.startswith("env:")))
