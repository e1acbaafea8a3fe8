"""The entries of model_list as they will be served: checked, and wildcards replaced by the names that are asked for."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from freehold.app.imports.litellm.document import Values
from freehold.app.imports.litellm.fates import Fates, Path, shown
from freehold.core.errors import BadSettings

_NO_NAMES = (
    "every model is named here, so that its price and clearance are known before the first call; add --model NAME for each"
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment. `at`: its place in the file; `group`: what callers ask for; `model`: LiteLLM's provider/model."""

    at: Path
    group: str
    model: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]


def read_entries(values: Values) -> list[Entry]:
    """One for each item of model_list. Raises BadSettings naming the item that is none."""
    entries: list[Entry] = []
    for n, item in enumerate(values["model_list"]):
        at: Path = ("model_list", n)
        if not isinstance(item, dict):
            raise BadSettings(f"{shown(at)} is no mapping; write model_name: and litellm_params:")
        params, info = item.get("litellm_params"), item.get("model_info") or {}
        if not isinstance(params, dict) or not isinstance(info, dict):
            what = "model_info" if isinstance(params, dict) else "litellm_params"
            raise BadSettings(f"{shown((*at, what))} is no mapping; LiteLLM would not start with it")
        model, group = params.get("model"), item.get("model_name")
        if not isinstance(model, str) or not isinstance(group, str) or not model or not group:
            what = "litellm_params.model" if isinstance(group, str) and group else "model_name"
            raise BadSettings(f"{shown(at)}.{what} is missing or no name; LiteLLM would not start with it")
        entries.append(Entry(at=at, group=group, model=model, params=params, info=info))
    return entries


def expanded(entries: Sequence[Entry], names: Collection[str], fates: Fates) -> list[Entry]:
    """The entries without wildcards; each of `names` that no entry has is served by the closest wildcard that matches it."""
    plain = [entry for entry in entries if "*" not in entry.group]
    wild = sorted((entry for entry in entries if "*" in entry.group), key=lambda entry: -len(entry.group))
    there = {entry.group for entry in plain}
    for entry in wild:
        fates.ignored(entry.at, _NO_NAMES)
    for name in dict.fromkeys(names):
        if name in there:
            continue
        matching = [entry for entry in wild if _pattern(entry.group).fullmatch(name)]
        plain.extend(_named(entry, name) for entry in matching if entry.group == matching[0].group)
    return plain


def _named(entry: Entry, name: str) -> Entry:
    """LiteLLM puts what the stars of the name matched in the place of the stars of the model."""
    match = _pattern(entry.group).fullmatch(name)
    assert match is not None
    model = "".join(_filled(entry.model, match.groups())) if entry.model.strip("*") else name
    return msgspec.structs.replace(entry, group=name, model=model)


def _filled(model: str, found: Sequence[str]) -> Iterator[str]:
    parts = model.split("*")
    for n, part in enumerate(parts):
        yield part
        if n < len(parts) - 1:
            yield found[min(n, len(found) - 1)]


def _pattern(group: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(re.escape(part) for part in group.split("*")))
