"""The draw of a migration: the same for the same request, in the share that is asked, and growing with it."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.assignment import Assignment
from freehold.core.ids import request_id

ONE = Assignment(migration="mig-1", workload="w", target="t", stage="canary", share=0.05, copied=0.2)
IDS = [request_id(n / 7) for n in range(20_000)]


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_was_drawn_stays_drawn_as_the_share_grows(ident: str, one: float, other: float) -> None:
    small, large = (msgspec.structs.replace(ONE, share=share) for share in sorted((one, other)))
    assert small.takes(ident) <= large.takes(ident)
    assert not msgspec.structs.replace(ONE, share=0.0).takes(ident)
    assert msgspec.structs.replace(ONE, share=1.0).takes(ident)


@given(st.text(), st.floats(0, 1), st.sampled_from(("jobs", "app")))
def test_all_requests_of_an_offline_key_go_there_and_the_others_as_without_it(ident: str, share: float, key: str) -> None:
    usual = msgspec.structs.replace(ONE, share=share)
    offline = msgspec.structs.replace(usual, offline_keys=frozenset({"jobs"})).of(key)
    assert offline.takes(ident) == (key == "jobs" or usual.takes(ident))


def test_the_share_is_kept_and_the_draws_know_nothing_of_each_other() -> None:
    taken, copied = [ONE.takes(ident) for ident in IDS], [ONE.copies(ident) for ident in IDS]
    assert abs(sum(taken) / len(IDS) - 0.05) < 0.0075  # five standard errors
    assert abs(sum(copied) / len(IDS) - 0.2) < 0.0142
    both = sum(one and other for one, other in zip(taken, copied, strict=True))
    assert abs(both / len(IDS) - 0.01) < 0.0036
    other = msgspec.structs.replace(ONE, migration="mig-2")
    assert [other.takes(ident) for ident in IDS] != taken, "another migration meets others"
