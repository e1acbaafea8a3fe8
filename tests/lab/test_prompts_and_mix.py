"""What a replay asks: prompts to the token, tickets as the model knows them, shares as declared."""

import importlib.util
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.mix import DEFAULT_MIX, parse_mix
from freehold.lab.prompts import prompt_of, ref_of
from freehold.lab.tickets import LABELS, ticket

STARTER = Path(__file__).parents[2].parent / "shared" / "starters" / "engine" / "tickets.py"


@given(st.integers(0, 10**6), st.integers(0, 3000), st.lists(st.integers(0, 50), max_size=6))
def test_a_prompt_has_as_many_words_as_the_trace_had_tokens(index: int, tokens: int, blocks: list[int]) -> None:
    request = TracedRequest(0.0, tokens, 1, tuple(blocks))
    prompt = prompt_of(index, request)
    assert len(prompt.split()) == max(1, tokens)
    assert prompt.split()[-1] == ref_of(index)
    assert prompt == prompt_of(index, request)


def test_marks_are_unique() -> None:
    assert len({ref_of(index) for index in range(20_000)}) == 20_000


def test_shared_blocks_are_shared_words() -> None:
    first, second = (prompt_of(index, TracedRequest(0.0, 1400, 1, (7, 8, 10 + index))) for index in (1, 2))
    assert first.split()[:1024] == second.split()[:1024]
    assert first.split()[1024:] != second.split()[1024:]


def test_tickets_are_those_the_model_was_trained_on() -> None:
    if not STARTER.exists():
        pytest.skip("the training script is not at hand")
    spec = importlib.util.spec_from_file_location("starter_tickets", STARTER)
    assert spec is not None
    assert spec.loader is not None
    starter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(starter)
    assert list(LABELS) == starter.LABELS
    ours, theirs = random.Random(3), random.Random(3)
    assert [ticket(ours) for _ in range(2000)] == [starter.ticket(theirs) for _ in range(2000)]


def test_tickets_are_deterministic_and_cover_every_label() -> None:
    tickets = [ticket(random.Random(seed)) for seed in range(400)]
    assert tickets == [ticket(random.Random(seed)) for seed in range(400)]
    assert {label for _, label in tickets} == set(LABELS)


def test_a_mix_deals_its_shares_the_same_way_every_time() -> None:
    mix = parse_mix(DEFAULT_MIX)
    dealt = [mix.share_of(index) for index in range(20_000)]
    assert dealt == [parse_mix(DEFAULT_MIX).share_of(index) for index in range(20_000)]
    counts = Counter(share.workload for share in dealt)
    assert counts["ticket-triage"] / 20_000 == pytest.approx(0.2, abs=0.01)
    assert counts["assistant"] / 20_000 == pytest.approx(0.6, abs=0.01)


def test_a_mix_is_read_with_its_defaults() -> None:
    share = parse_mix(" a = 2.5 ").share_of(0)
    assert (share.workload, share.weight, share.data_class, share.prompts) == ("a", 2.5, None, "words")
    share = parse_mix("b=1:Restricted:tickets").share_of(0)
    assert (share.data_class, share.prompts, share.sensitive) == (DataClass.restricted, "tickets", 0.0)
    share = parse_mix("c=1::words:2.5%", {"c": "fh_c", "d": "fh_d"}).share_of(0)
    assert (share.data_class, share.prompts, share.sensitive, share.key) == (None, "words", 0.025, "fh_c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a=",
        "=1",
        "a=x",
        "a=0",
        "a=-1",
        "a=nan",
        "a=1:top",
        "a=1:public:songs",
        "a=1:public:words:x",
        "a=1:public:words:5",
        "a=1:public:words:101%",
        "a=1:public:words:nan%",
        "a=1:public:words:1%:x",
    ],
)
def test_a_bad_mix_names_the_part_in_one_line(text: str) -> None:
    with pytest.raises(BadSettings, match="mix") as caught:
        parse_mix(text)
    assert "\n" not in caught.value.message


def test_a_workload_named_twice_is_refused() -> None:
    with pytest.raises(BadSettings, match="twice"):
        parse_mix("a=1,a=2")
