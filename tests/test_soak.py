"""The soak's judges (benchmarks/soak) see what they are there to see: books that differ, processes that grow, what stays open."""

import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.soak.callers import SERIAL_AT_S, Call
from benchmarks.soak.changes import Changes
from benchmarks.soak.comparison import Books, Comparison, Own
from benchmarks.soak.config import MOVED, VERSIONED
from benchmarks.soak.engine import Ticket
from benchmarks.soak.processes import Seen, Series, judge_process, series_of
from benchmarks.soak.providers import Work
from benchmarks.soak.reconcile import reconcile
from benchmarks.soak.watched import Sample

CHANGES = Changes(told_at=100.0, held_at=101.0, before="v1@a", after="v2@b")
TICKET = Ticket("please refund the phone", '{"label": "refund"}', 27, 10)


def call(serial: int, workload: str, ticket: Ticket | None = None) -> Call:
    return Call(
        serial=serial, dialect="openai_chat", workload=workload, stream=False, redacted=False, manner="patient", body={},
        input_bytes=40, ticket=ticket, status=200, entry_id=f"e{serial}", whole=True,
    )  # fmt: skip


def entry(serial: int, cost_nanousd: int, received_at: float = 50.0) -> dict[str, Any]:
    return {
        "id": f"e{serial}", "stands_for": SERIAL_AT_S + serial, "received_at": received_at, "purpose": None, "workload": "soak",
        "dialect": "openai_chat", "outcome": "finished", "cost_nanousd": cost_nanousd, "reason": "",
    }  # fmt: skip


def attempt(serial: int, target: str, tokens: tuple[int, int], prompt: str | None = None) -> dict[str, Any]:
    price = (0, 0) if target == "own" else (2_500, 10_000)
    return {
        "entry_id": f"e{serial}", "target": target, "outcome": "finished", "usage_source": "provider", "prompt": prompt,
        "uncached_input": tokens[0], "cache_read": None, "answer_output": tokens[1],
        "cost_nanousd": tokens[0] * price[0] + tokens[1] * price[1],
    }  # fmt: skip


def work(serial: int, account: str, tokens: tuple[int, int]) -> Work:
    return Work(serial=serial, account=account, ending="completed", prompt_tokens=tokens[0], completion_tokens=tokens[1])


def books() -> Books:
    """One answered by a provider, one by the engine, two in the releases of their time, a copy at each; and all agree."""
    copy = entry(0, 0) | {"id": "copy", "purpose": "shadow", "workload": f"freehold-shadow:{MOVED}"}
    back = copy | {"id": "back", "cost_nanousd": 47_500}
    return Books(
        [call(0, "soak"), call(1, "tickets", TICKET), call(2, VERSIONED), call(3, VERSIONED)],
        [work(0, "c0-0", (7, 3)), work(2, "c0-1", (9, 4)), work(3, "c1-0", (9, 4)), work(2**90, "t0-0", (7, 3))],
        [entry(0, 47_500), entry(1, 0), entry(2, 62_500), entry(3, 62_500, 150.0), copy, back],
        [
            attempt(0, "c0-0", (7, 3)), attempt(1, "own", (27, 10)), attempt(2, "c0-1", (9, 4), "v1@a"),
            attempt(3, "c1-0", (9, 4), "v2@b"), attempt(0, "own", (27, 10)) | {"entry_id": "copy"},
            attempt(0, "t0-0", (7, 3)) | {"entry_id": "back"},
        ],
    )  # fmt: skip


def test_books_that_agree_show_no_problem() -> None:
    compared = reconcile(books(), CHANGES)
    assert compared.lines() == []
    assert (compared.counted, compared.copies, compared.cost_nanousd, compared.copies_nanousd) == (4, 2, 172_500, 47_500)
    assert compared.own.lines((54, 20)) == []


def twice(kept: list[Any]) -> None:
    kept.append(kept[0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda b: b.entries.pop(0), "answered without an entry"),
        (lambda b: twice(b.entries), "request with two entries"),
        (lambda b: b.attempts[0].update(answer_output=4, cost_nanousd=57_500), "other tokens than the provider counted"),
        (lambda b: b.attempts[0].update(cost_nanousd=47_501), "a cost that is not tokens times price"),
        (lambda b: b.entries[0].update(cost_nanousd=47_501), "an entry's cost that is not that of its attempts"),
        (lambda b: b.entries[0].update(outcome="cut"), "a whole answer that is not finished in the ledger"),
        (lambda b: setattr(b.calls[0], "own", False), "an answer that was another's"),
        (lambda b: b.works.append(work(0, "c1-1", (7, 3))), "work without an attempt"),
        (lambda b: b.works.append(work(0, "c0-0", (7, 3))), "target asked twice"),
        (lambda b: b.attempts[1].update(uncached_input=26), "other tokens than the engine counts"),
        (lambda b: b.attempts[1].update(cost_nanousd=1), "a cost that is not tokens times price"),
        (lambda b: b.attempts[3].update(prompt="v1@a"), "another release than in force"),
        (lambda b: b.attempts[0].update(prompt="v1@a"), "another release than in force"),
        (lambda b: b.entries[4].update(cost_nanousd=1), "a copy's cost that is not tokens times price"),
        (lambda b: b.attempts[5].update(answer_output=4), "copies that no provider knows"),
        (lambda b: b.attempts.pop(5), "work of copies that have no attempt"),
        (lambda b: b.attempts[4].update(usage_source="estimated"), "the engine's count did not come"),
    ],
)
def test_books_that_differ_are_named(change: Callable[[Books], None], problem: str) -> None:
    kept = books()
    change(kept)
    assert problem in reconcile(kept, CHANGES).problems


@given(counted=st.integers(0, 300), kept=st.integers(0, 300), left=st.integers(0, 5))
def test_the_engines_total_lies_between_what_it_told_and_what_it_may_have_made(counted: int, kept: int, left: int) -> None:
    own = Own(prompt=kept, completion=0)
    for _ in range(left):
        own.add_open(27)
    assert (own.lines((counted, 0)) == []) == (kept <= counted <= kept + 27 * left)


def test_no_release_is_wrong_while_it_is_switched() -> None:
    assert [CHANGES.releases(at) for at in (99.0, 100.5, 102.0)] == [{"v1@a"}, {"v1@a", "v2@b"}, {"v2@b"}]


def samples(leak: Callable[[int], Sample], seconds: int = 600) -> Sequence[Sample]:
    return [leak(second) for second in range(seconds)]


def sized(second: int, growing: str = "", by: float = 0.0) -> Sample:
    """A process with 20 requests a second, and noise as a gateway has it."""
    noise = random.Random(second)
    sizes = {
        "rss_bytes": 120 * 2**20 + noise.randint(-(2**20), 2**20), "heap_bytes": 25 * 2**20 + noise.randint(-50_000, 50_000),
        "blocks": 500_000 + noise.randint(-100, 100),
    }  # fmt: skip
    sizes |= {growing: sizes[growing] + round(by * 20 * second)} if growing else {}
    return Sample(
        at=float(second), **sizes, descriptors=30, sockets=8, tasks=24, swept=second % 5 == 0, requests=1 + 20 * second
    )  # fmt: skip


STEADY = Series([0.0], [1000.0])


def test_a_process_that_keeps_its_size_is_let_pass() -> None:
    seen = Seen(samples(sized), sized(0), sized(0), STEADY)
    process = judge_process(seen, rate=40.0)
    assert process.lines("gateway") == []
    assert process.requests_per_s == pytest.approx(20.0), "its own requests count, not the whole gateway's"


@pytest.mark.parametrize(
    ("size", "what", "by"), [("rss_bytes", "rss", 2000.0), ("heap_bytes", "heap", 300.0), ("blocks", "blocks", 1.0)]
)
def test_a_leak_is_named_with_its_process(size: str, what: str, by: float) -> None:
    seen = Seen(samples(lambda second: sized(second, size, by)), sized(0), sized(0), STEADY)
    (line,) = judge_process(seen, rate=40.0).lines("worker-1")
    assert line.startswith(f"worker-1: {what} grows with every request")


def test_new_series_of_metrics_are_no_leak_and_do_not_hide_one() -> None:
    def grown(second: int, more: float = 0.0) -> Sample:
        found = sized(second, "blocks", 0.3 + more)  # 20 requests a second make a series a second, of 6 blocks
        return msgspec.structs.replace(found, series=1000 + second) if found.swept else found

    for more, lines in ((0.0, 0), (1.0, 1)):
        found = samples(partial(grown, more=more))
        series = series_of({"worker-0": found}, STEADY)["worker-0"]
        assert len(judge_process(Seen(found, sized(0), sized(0), series), rate=20.0).lines("worker-0")) == lines
    parent = series_of({"worker-0": found, "worker-1": found, "parent": samples(sized)}, Series([0.0, 100.0], [0.0, 0.0]))[
        "parent"
    ]
    assert list(parent.number) == [2000.0, 2200.0], "it keeps what all of them sent"


def test_what_stays_open_is_named() -> None:
    seen = Seen(samples(sized), sized(0), msgspec.structs.replace(sized(0), descriptors=31), STEADY)
    assert judge_process(seen, rate=20.0).lines("gateway") == ["gateway: descriptors at rest 31, and 30 before the first request"]


def test_a_problem_is_told_with_the_requests_it_was_seen_on() -> None:
    compared = Comparison()
    for serial in range(7):
        compared.require(False, "lost", serial)
    assert compared.lines() == ["lost: 7, such as ['0', '1', '2', '3', '4']"]
