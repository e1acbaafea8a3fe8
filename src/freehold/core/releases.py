"""Releases: what answers a workload at a target is a model, its weights, and the variant of the prompt. And their history."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from freehold.core.policy_facts import PolicySpan


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What one workload's requests were asked of at one target. `prompt` None: they went in the caller's own words;
    `weights` None: the model's name says all that is known."""

    workload: str
    target: str
    model: str
    prompt: str | None = None
    weights: str | None = None


class Stretch(msgspec.Struct, kw_only=True):
    """A time in which one release was in force, through all policies that said so. Unix seconds. `spans`: by version and
    beginning, the spans of policies that it is made of; `current`: no later policy on record says otherwise."""

    release: Release
    began_at: float
    seen_until: float
    spans: list[tuple[str, float]]
    current: bool = True


def stretches_of(spans: Iterable[PolicySpan], releases: Mapping[str, Collection[Release]]) -> list[Stretch]:
    """The history of every workload and target, by beginning. `releases`: by the version of the policy. Where two gateways serve
    under different policies at once, the one that began later counts as the change."""
    found: list[Stretch] = []
    last: dict[tuple[str, str], Stretch] = {}
    for span in sorted(spans, key=lambda one: one.began_at):
        there = {(release.workload, release.target): release for release in releases.get(span.version, ())}
        for gone in last.keys() - there.keys():
            last.pop(gone).current = False
        for place, release in there.items():
            before = last.get(place)
            if before is not None and before.release == release:
                before.seen_until = max(before.seen_until, span.seen_until)
                before.spans.append((span.version, span.began_at))
                continue
            if before is not None:
                before.current = False
            last[place] = Stretch(
                release=release, began_at=span.began_at, seen_until=span.seen_until, spans=[(span.version, span.began_at)]
            )
            found.append(last[place])
    return found
