"""What all parties demand together: whatever the order, never looser than any of them, and labels raise the class."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import LABELS, DataClass, Handling, LabelRule, Party
from freehold.rules.handling import settle

RULES = {**LABELS, "phi": LabelRule(frozenset(), DataClass.confidential), "top": LabelRule(frozenset(), DataClass.restricted)}
parties = st.lists(
    st.builds(
        Party,
        st.just("someone"),
        st.builds(
            Handling, st.sampled_from(DataClass), st.none() | st.frozensets(st.sampled_from("ab")),
            st.frozensets(st.sampled_from(["pii", "phi", "top", "undefined"])),
        ),
    ),
    max_size=4,
)  # fmt: skip


@given(parties, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(said: list[Party], random: Random) -> None:
    mixed = said * 2
    random.shuffle(mixed)
    assert settle(mixed, RULES) == settle(said, RULES)


@given(parties)
def test_it_is_never_looser_than_anyone_or_any_label(said: list[Party]) -> None:
    whole = settle(said, RULES)
    for party in said:
        assert whole.data_class >= party.handling.data_class
        assert whole.labels >= party.handling.labels
    assert ("phi" not in whole.labels) or whole.data_class >= DataClass.confidential
    assert ("top" not in whole.labels) or whole.data_class == DataClass.restricted


def test_nobody_demands_nothing() -> None:
    assert settle([], LABELS) == Handling()
    only = Handling(labels=frozenset({"phi"}))
    assert settle([Party("header", only)], RULES).data_class is DataClass.confidential
    assert settle([Party("header", only)], LABELS) == only
