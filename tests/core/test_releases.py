"""The history of releases: what the policies on record say, put together over reloads, restarts and several gateways."""

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.policy_facts import PolicySpan
from freehold.core.releases import Release, stretches_of


def span(version: str, began_at: float, seen_until: float) -> PolicySpan:
    return PolicySpan(version=version, began_at=began_at, seen_until=seen_until)


def release(prompt: str | None, target: str = "api") -> Release:
    return Release(workload="w", target=target, model="m", prompt=prompt)


V1, V2, BOX = release("v1@a"), release("v2@b"), release(None, "box")
SAID = {"p1": [V1, BOX], "p2": [V2, BOX], "p3": [V2], "p4": [V1, BOX]}


def test_a_switch_and_the_way_back() -> None:
    found = stretches_of([span("p1", 0, 10), span("p2", 10, 20), span("p4", 20, 30), span("p1", 30, 40)], SAID)
    assert [(one.release.prompt, one.began_at, one.seen_until, one.current) for one in found if one.release.target == "api"] == [
        ("v1@a", 0, 10, False), ("v2@b", 10, 20, False), ("v1@a", 20, 40, True)
    ]  # fmt: skip
    (box,) = (one for one in found if one.release == BOX)
    assert (box.began_at, box.seen_until, len(box.spans), box.current) == (0, 40, 4, True)


def test_a_target_that_is_gone_for_a_while_has_two_stretches() -> None:
    found = stretches_of([span("p2", 0, 10), span("p3", 10, 20), span("p2", 20, 30)], SAID)
    assert [(one.began_at, one.current) for one in found if one.release == BOX] == [(0, False), (20, True)]
    assert [(one.began_at, one.seen_until) for one in found if one.release == V2] == [(0, 30)]


def test_a_policy_older_than_the_record_says_nothing() -> None:
    assert stretches_of([span("old", 0, 10)], SAID) == []


@given(st.lists(st.tuples(st.sampled_from(["p1", "p2", "p3", "p4", "old"]), st.integers(0, 50), st.integers(0, 50)), max_size=12))
def test_every_span_of_a_release_is_in_one_stretch_of_it(raw: list[tuple[str, int, int]]) -> None:
    spans = [span(version, began, began + lasted) for version, began, lasted in raw]
    found = stretches_of(spans, SAID)
    told = sorted((key, one.release.target) for one in found for key in one.spans)
    assert told == sorted(((s.version, s.began_at), r.target) for s in spans for r in SAID.get(s.version, ()))
    for one in found:
        assert one.began_at <= one.seen_until
        assert all(one.release in SAID[version] for version, _ in one.spans)
