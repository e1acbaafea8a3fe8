"""How a fault is chosen: as often as asked, the same for the same seed."""

from collections import Counter

import pytest

from freehold.core.errors import BadSettings
from freehold.lab.faults import Fault, Faults, checked, parse_probabilities


def test_faults_come_as_often_as_asked_and_the_same_for_the_same_seed() -> None:
    probabilities = parse_probabilities("error_500=0.1, cut=0.05")
    one, other = Faults(probabilities, 1), Faults(probabilities, 1)
    assert [one.pick(None, "m") for _ in range(200)] == [other.pick(None, "m") for _ in range(200)]
    faults = Faults(probabilities, 7)
    counts = Counter(faults.pick(None, "m") for _ in range(20_000))
    assert counts[Fault.error_500] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert counts[Fault.cut] / 20_000 == pytest.approx(0.05, abs=0.01)
    assert set(counts) == {None, Fault.error_500, Fault.cut}


@pytest.mark.parametrize("text", ["fire=1", "cut", "cut=x", "cut=-1", "cut=0.7,quota=0.7", "cut=nan"])
def test_bad_probabilities_are_refused(text: str) -> None:
    with pytest.raises(BadSettings):
        parse_probabilities(text)


def test_certainties_may_add_up_to_one() -> None:
    assert checked({"cut": 0.5, "quota": 0.5}) == {Fault.cut: 0.5, Fault.quota: 0.5}
