import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.stats.kappa import cohen_kappa

words = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)


def test_the_closed_form() -> None:
    """(p_o - p_e) / (1 - p_e) with p_o = 35/50, p_e = 0.5 * 0.6 + 0.5 * 0.4."""
    table = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
    pairs = [pair for pair, count in table.items() for _ in range(count)]
    assert cohen_kappa(pairs) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert cohen_kappa(list(table), [float(count) for count in table.values()]) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [([("a", "a"), ("b", "b")], 1.0), ([("a", "b"), ("b", "a")], -1.0), ([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")], 0.0),
     ([("a", "a")], None), ([], None)],
)  # fmt: skip
def test_the_ends(pairs: list[tuple[str, str]], kappa: float | None) -> None:
    assert cohen_kappa(pairs) == (None if kappa is None else pytest.approx(kappa))


@given(words)
def test_raters_may_change_places_and_it_is_at_most_one(pairs: list[tuple[str, str]]) -> None:
    kappa, back = cohen_kappa(pairs), cohen_kappa([(other, one) for one, other in pairs])
    assert (kappa is None) == (back is None)
    if kappa is not None and back is not None:
        assert kappa == pytest.approx(back)
        assert -1 - 1e-9 <= kappa <= 1 + 1e-9


@given(words, st.integers(2, 4))
def test_a_weight_is_that_many_of_the_same(pairs: list[tuple[str, str]], times: int) -> None:
    weighted = cohen_kappa(pairs, [float(times if at == 0 else 1) for at in range(len(pairs))])
    assert weighted == pytest.approx(cohen_kappa([pairs[0]] * (times - 1) + pairs))
