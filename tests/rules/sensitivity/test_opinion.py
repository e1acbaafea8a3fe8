"""What an opinion adds, and what its silence adds. Nothing that was found is ever taken away."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import Mandate, OnFailure, seconded, unheard
from freehold.rules.sensitivity.scanner import Findings

labels = st.sampled_from(get_args(Label))
classed = st.dictionaries(labels, st.sampled_from(DataClass))
FOUND = Findings(counts={"email": 1}, labels={"pii": DataClass.confidential}, data_class=DataClass.confidential)
JUDGE = Mandate(name="judge", labels={"pii": DataClass.internal, "phi": DataClass.restricted})


def test_what_it_says_is_added_and_noted_under_its_name() -> None:
    findings = seconded(FOUND, JUDGE, {"phi", "pii"})
    assert findings.labels == {"pii": DataClass.confidential, "phi": DataClass.restricted}
    assert findings.unplaced == JUDGE.labels
    assert findings.data_class is DataClass.restricted
    assert findings.opinions == {"judge pii": 1, "judge phi": 1}
    assert findings.counts == FOUND.counts


def test_what_it_may_not_say_is_not_heard() -> None:
    assert seconded(FOUND, JUDGE, {"secret"}) == FOUND


def test_silence_blocks_raises_or_is_ignored() -> None:
    def silent(on_failure: OnFailure) -> Findings:
        return unheard(FOUND, Mandate(name="judge", labels=JUDGE.labels, on_failure=on_failure))

    assert {silent(way).opinions["judge failed"] for way in get_args(OnFailure)} == {1}
    assert (silent("raise").feared, silent("raise").refused) == (JUDGE.labels, ())
    assert (silent("block").feared, silent("block").refused) == ({}, ("judge",))
    assert (silent("ignore").feared, silent("ignore").refused) == ({}, ())


@given(classed, classed, st.sets(labels), st.sampled_from(get_args(OnFailure)))
def test_nothing_is_ever_taken_away(
    found: dict[Label, DataClass], may: dict[Label, DataClass], said: set[Label], on_failure: OnFailure
) -> None:
    before = Findings(labels=found, data_class=max(found.values(), default=DataClass.public), counts={"email": 1})
    mandate = Mandate(name="judge", labels=may, on_failure=on_failure)
    for after in (seconded(before, mandate, said), unheard(before, mandate), seconded(unheard(before, mandate), mandate, said)):
        assert after.counts == before.counts
        assert all(after.labels[label] >= own for label, own in found.items())
        assert after.data_class == max(after.labels.values(), default=DataClass.public)
    assert all(seconded(before, mandate, said).labels[label] >= may[label] for label in said & may.keys())
