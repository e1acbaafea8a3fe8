"""Model groups as workloads: who serves them in which order, who stands in, under which other names, how much may be asked."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from freehold.app.access_settings import LimitSettings
from freehold.app.imports.litellm.deployments import Served
from freehold.app.imports.litellm.document import Values
from freehold.app.imports.litellm.draft import Draft
from freehold.app.imports.litellm.fates import Fates, Path
from freehold.app.imports.litellm.fitting import fits

SECTIONS = ("litellm_settings", "router_settings")
_MOST_ATTEMPTS = 16
_DEFAULT_ATTEMPTS = 4
_LISTS = {
    "fallbacks": "behind the workload's own targets; each is tried once, also after a failure that LiteLLM would retry first",
    "context_window_fallbacks": "behind the workload's own targets, and reached by any failure; state context_tokens for length",
}


def asked_names(values: Values) -> list[str]:
    """Every model name that fallbacks and aliases speak of, which a wildcard may have to serve."""
    names = [name for field in _LISTS for _, group, others in _pairs(values, field) for name in (group, *others)]
    names += [name for _, others in _defaults(values) for name in others]
    names += [target for _, _, target in _aliases(values)]
    return [name for name in dict.fromkeys(names) if "*" not in name]


def alias_names(values: Values) -> list[str]:
    """The other names of groups."""
    return [alias for _, alias, _ in _aliases(values)]


def put_workloads(values: Values, served: Sequence[Served], draft: Draft, fates: Fates) -> None:
    """A workload for each group and each of its other names."""
    own = {
        group: [s.name for s in sorted((s for s in served if s.entry.group == group), key=lambda s: s.rank)]
        for group in dict.fromkeys(s.entry.group for s in served)
    }
    behind = _stand_ins(values, own, fates)
    for group, targets in own.items():
        listed = list(dict.fromkeys([*targets, *(name for other in behind.get(group, ()) for name in own[other])]))
        draft.workloads[group] = {"targets": listed, "data": "public"}
        _remark(group, listed, draft)
    for at, alias, group in _aliases(values):
        if group not in own:
            fates.ignored(at, f"no group {group!r} was taken over")
        elif alias in own:
            fates.ignored(at, "a group has that name already")
        else:
            draft.workloads[alias] = dict(draft.workloads[group])
            _remark(alias, draft.workloads[group]["targets"], draft)
            fates.mapped(at, f"a workload with the targets of {group}")
            fates.ignored((*at, "hidden"), "GET /v1/models lists every workload that the key may use")
    longest = max(len(spec["targets"]) for spec in draft.workloads.values())
    if longest > _DEFAULT_ATTEMPTS:
        draft.bounds["attempts"] = min(longest, _MOST_ATTEMPTS)
    aliased = {group for _, _, group in _aliases(values)}
    _put_limits(served, draft, fates, alone=own.keys() - behind.keys() - aliased)


def _remark(group: str, listed: Sequence[str], draft: Draft) -> None:
    at: Path = ("workloads", group)
    draft.remark((*at, "data"), "CHOOSE the least data class of all its requests. Raise it only once targets are cleared for it.")
    kinds = {"engine" in draft.targets[name] for name in listed}
    if len(kinds) == 2:
        draft.remark((*at, "targets"), "In order. Add spill: true to leave a full engine of your own for a rented target.")


def _stand_ins(values: Values, own: Collection[str], fates: Fates) -> dict[str, list[str]]:
    """By group, the groups behind it: those of its fallbacks, then of its context window fallbacks; or the default ones."""
    found: dict[str, list[str]] = {}
    for field, says in _LISTS.items():
        for at, group, others in _pairs(values, field):
            there = [other for other in others if other in own and other != group]
            missing = [other for other in others if other not in own]
            if not there or (group not in own and group != "*"):
                unknown = group if group not in own and group != "*" else ", ".join(missing) or group
                fates.ignored(at, f"{unknown}: no such group was taken over")
                continue
            left = f"; without {', '.join(missing)}, not taken over" if missing else ""
            fates.approximated(at, says + left)
            for name in own if group == "*" else (group,):
                found.setdefault(name, []).extend(other for other in there if other != name)
    for at, others in _defaults(values):
        there = [other for other in others if other in own]
        if not there:
            fates.ignored(at, "none of these groups was taken over")
            continue
        left = ", ".join(other for other in others if other not in own)
        fates.approximated(
            at, "behind the targets of every workload without fallbacks of its own" + (f"; without {left}" if left else "")
        )
        for group in own:
            if group not in found and (behind := [other for other in there if other != group]):
                found[group] = behind
    return found


def _put_limits(served: Sequence[Served], draft: Draft, fates: Fates, alone: Collection[str]) -> None:
    """Rates of deployments summed up for the group, where all state one, nothing stands behind it and it has no other name."""
    fields = {"rpm": "requests_per_minute", "tpm": "tokens_per_minute"}
    for group in dict.fromkeys(s.entry.group for s in served):
        members = [s for s in served if s.entry.group == group]
        rule: dict[str, Any] = {"name": f"rate-of-{len(draft.limits) + 1}", "scope": "workload", "match": group}
        for theirs, ours in fields.items():
            rates = [rate for rate in (s.number(theirs) for s in members) if rate is not None]
            whole = group in alone and len(rates) == len(members) and fits(LimitSettings, {**rule, ours: int(sum(rates))})
            if whole:
                rule[ours] = int(sum(rates))
            for s in members:
                _say_rate(s, theirs, f"limits.rules: {ours} of the workload, all its targets together" if whole else None, fates)
        if rule.keys() & set(fields.values()):
            draft.limits.append(rule)
        for s in members:
            for field in ("order", "weight"):
                if field in s.entry.params:
                    says = "the order of the workload's targets" + ("; no share of the load" if field == "weight" else "")
                    fates.approximated((*s.entry.at, "litellm_params", field), says)


def _say_rate(s: Served, field: str, says: str | None, fates: Fates) -> None:
    for place, values in (("litellm_params", s.entry.params), ("model_info", s.entry.info)):
        if field in values and says is not None:
            fates.approximated((*s.entry.at, place, field), says)
        elif field in values:
            fates.ignored(
                (*s.entry.at, place, field),
                "a target's own 429 moves the request on; limits are of keys, teams, users and workloads",
            )


def _pairs(values: Values, field: str) -> Iterator[tuple[Path, str, list[str]]]:
    """Of `fallbacks: [{group: [other, ...]}, ...]`: where, the group, and the others."""
    for section in SECTIONS:
        listed = _section(values, section).get(field)
        for n, pair in enumerate(listed if isinstance(listed, list) else ()):
            for group, others in pair.items() if isinstance(pair, dict) else ():
                yield (section, field, n, str(group)), str(group), _names(others)


def _defaults(values: Values) -> Iterator[tuple[Path, list[str]]]:
    for section in SECTIONS:
        if others := _names(_section(values, section).get("default_fallbacks")):
            yield (section, "default_fallbacks"), others


def _aliases(values: Values) -> Iterator[tuple[Path, str, str]]:
    """Of `model_group_alias: {alias: group}`, or `{alias: {model: group, hidden: ...}}`: where, the alias, the group."""
    for section in SECTIONS:
        listed = _section(values, section).get("model_group_alias")
        for alias, group in listed.items() if isinstance(listed, dict) else ():
            name = group.get("model") if isinstance(group, dict) else group
            if isinstance(name, str):
                yield (section, "model_group_alias", str(alias)), str(alias), name


def _section(values: Values, name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, dict) else {}


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
