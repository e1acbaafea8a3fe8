"""Which pairs are chosen and how likely, what is written down, and what a review shows."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.evaluate.pair_file import JudgeSaid, ScoredPair
from freehold.move.evaluate.review_file import Review, ReviewFile, ReviewPlan, Said, digest_of, read_reviews
from freehold.move.evaluate.review_plan import Item, choose, disagreement, left_arm, probabilities
from freehold.move.evaluate.review_report import report
from freehold.move.evaluate.sample import Score
from freehold.move.evaluate.suite import Marks

PLAN = ReviewPlan("digest", 10, "1")


def pair(ident: str, *marks: tuple[float, float], turned: bool | None = None) -> ScoredPair:
    graders = {f"g{at}": Marks(Score(owned, ""), Score(rented, "")) for at, (owned, rented) in enumerate(marks)}
    owned, rented = marks[0]
    judge = None if turned is None else JudgeSaid("j", "d", turned)
    return ScoredPair(id=ident, owned=owned, rented=rented, suite="s", graders=graders, judge=judge, content=f"pair:{ident}")


@pytest.mark.parametrize(
    ("marks", "turned", "expected"),
    [([(1, 0)], None, 1), ([(0.5, 0.5)], None, 0), ([(1, 0), (0, 1)], None, 1), ([(1, 0), (1, 0)], None, 0),
     ([(1, 0), (0.5, 0.5)], False, 0.5), ([(1, 0), (1, 0)], True, 1)],
)  # fmt: skip
def test_disagreement(marks: list[tuple[float, float]], turned: bool | None, expected: float) -> None:
    assert disagreement(pair("a", *marks, turned=turned)) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 300))
def test_every_pair_may_be_chosen_and_no_more_than_wanted_are_expected(disagreements: list[float], size: int) -> None:
    chances = probabilities(disagreements, size)
    assert all(0 < chance <= 1 for chance in chances)
    assert sum(chances) <= size + 1e-6
    by_disagreement = sorted(zip(disagreements, chances, strict=True))
    assert [chance for _, chance in by_disagreement] == sorted(chances)


def test_the_stated_probability_is_that_of_being_chosen() -> None:
    pairs = [pair(str(n), (1, 0), (1 - n % 5 / 4, n % 5 / 4)) for n in range(50)]
    times = {one.id: 0 for one in pairs}
    stated: dict[str, float] = {}
    for seed in range(600):
        for item in choose(pairs, 20, str(seed)):
            times[item.id] += 1
            stated[item.id] = item.probability
    assert len(set(stated.values())) > 3
    for ident, chance in stated.items():
        assert abs(times[ident] / 600 - chance) < 4.5 * (chance * (1 - chance) / 600) ** 0.5


def test_the_queue_is_the_same_again_and_in_no_order_of_the_file() -> None:
    pairs = [pair(str(n), (1, 0)) for n in range(200)]
    items = choose(pairs, 50, "a")
    assert items == choose(pairs, 50, "a")
    assert items != choose(pairs, 50, "b")
    assert [item.id for item in items] != sorted((item.id for item in items), key=int)
    with pytest.raises(BadSettings, match="size is 0"):
        choose(pairs, 0, "a")


def test_sides_are_by_chance_for_each_reviewer() -> None:
    left = [left_arm("1", str(n), "ada") for n in range(1000)]
    assert 440 < left.count("owned") < 560
    assert left != [left_arm("1", str(n), "eve") for n in range(1000)]
    assert left == [left_arm("1", str(n), "ada") for n in range(1000)]


def word(ident: str, reviewer: str = "ada", said: Said = "owned") -> Review:
    return Review(ident, reviewer, said, 0.5, "owned", 1.0)


def test_a_review_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    file = ReviewFile(path, PLAN)
    assert not path.exists()
    file.add(word("a"))
    file.add(word("b", "eve", "skip"))
    again = ReviewFile(path, PLAN)
    assert (sorted(again.done("ada")), sorted(again.done("eve"))) == (["a"], ["b"])
    again.add(word("c"))
    assert read_reviews(path) == (PLAN, [word("a"), word("b", "eve", "skip"), word("c")])


@pytest.mark.parametrize("torn", [b'{"id":"b","revie', b"{", b'{"scores":"dig'])
def test_a_line_that_a_crash_cut_off_is_asked_again(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "r.jsonl"
    if b"scores" not in torn:
        ReviewFile(path, PLAN).add(word("a"))
    with path.open("ab") as file:
        file.write(torn)
    again = ReviewFile(path, PLAN)
    assert again.done("ada") == (set() if b"scores" in torn else {"a"})
    again.add(word("b"))
    assert [review.id for review in read_reviews(path)[1]][-1] == "b"


@pytest.mark.parametrize(
    ("plan", "said"),
    [(ReviewPlan("other", 10, "1"), "other scores"), (ReviewPlan("digest", 11, "1"), "--size 10 --seed 1"),
     (ReviewPlan("digest", 10, "2"), "other draws")],
)  # fmt: skip
def test_draws_are_not_mixed(tmp_path: Path, plan: ReviewPlan, said: str) -> None:
    ReviewFile(tmp_path / "r.jsonl", PLAN).add(word("a"))
    with pytest.raises(BadSettings, match=said):
        ReviewFile(tmp_path / "r.jsonl", plan)


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with pytest.raises(BadSettings, match="'freehold review' makes it"):
        read_reviews(path)
    ReviewFile(path, PLAN).add(word("a"))
    with path.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(BadSettings, match=r"r\.jsonl:3: "):
        read_reviews(path)
    with pytest.raises(BadSettings, match="'freehold grade' wrote"):
        digest_of(tmp_path / "none")


def test_a_report_finds_the_truth_that_the_graders_miss() -> None:
    """The graders say the owned model wins 3 of 4; people say half. Reviewers see about a quarter, most where graders differ."""
    draws = random.Random(8)
    pairs, truth = [], {}
    for n in range(2000):
        good = draws.random() < 0.5
        kind = good or draws.random() < 0.5
        pairs.append(pair(str(n), (float(kind), float(not kind)), (1.0, 0.0)))
        truth[str(n)] = good
    items = choose(pairs, 500, "1")
    reviews = [Review(i.id, "ada", "owned" if truth[i.id] else "rented", i.probability, "owned", 0.0) for i in items]
    found = report(pairs, items, reviews)
    assert found.graded_win_rate == pytest.approx(0.75, abs=0.03)
    assert found.win_rate is not None
    assert found.win_rate.low < 0.5 < found.win_rate.high < 0.6
    assert (found.chosen, found.reviewed, found.skipped) == (len(items), len(items), 0)
    (kappa,) = found.kappas
    assert (kappa.one, kappa.other, kappa.low) == ("suite", "ada", True)
    assert kappa.kappa == pytest.approx(0.5, abs=0.12)
    half = report(pairs, items, reviews[: len(items) // 2])
    assert half.win_rate is not None
    assert half.win_rate.low < 0.5 < half.win_rate.high
    assert half.win_rate.high - half.win_rate.low > found.win_rate.high - found.win_rate.low


def test_two_reviewers_are_compared_where_both_spoke_and_skips_do_not_count() -> None:
    pairs = [pair(str(n), (float(n % 2), 0.5)) for n in range(6)]
    items = [Item(str(n), "", 1.0) for n in range(6)]
    said: list[Said] = ["owned", "rented", "tie", "owned", "rented", "skip"]
    reviews = [word(str(n), "ada", one) for n, one in enumerate(said)]
    reviews += [word(str(n), "eve", one) for n, one in enumerate(said[:4])] + [word("4", "eve", "skip"), word("elsewhere", "eve")]
    found = report(pairs, items, reviews)
    between = found.kappas[0]
    assert (between.one, between.other, between.pairs, between.kappa) == ("ada", "eve", 4, 1.0)
    assert [(kappa.other, kappa.pairs) for kappa in found.kappas[1:]] == [("ada", 5), ("eve", 4)]
    assert (found.reviewed, found.skipped, found.win_rate) == (5, 1, None)
