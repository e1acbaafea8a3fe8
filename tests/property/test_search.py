"""Proof by search: no configuration, request, fault, reload or broken ledger brings data where it may not go, nor into a log or store.

A state machine drives the real request line. What it must never do is judged by `search_oracle`, which knows only the text of the
configuration and what the maker of a request put into it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from search_oracle import Owed, may_see, owed, workloads_of
from search_requests import Sent, requests
from search_rig import Answered, Rig, logged
from search_worlds import CLASSES, TARGETS, World, world

from freehold.core.decision import Load
from freehold.serve.stores.sqlite import SqliteStore

_STEPS = 50


class Search(RuleBasedStateMachine):
    """What the tests below set before they run it: a ledger, the log, the worlds there are, and where steps are counted."""

    store: ClassVar[SqliteStore]
    path: ClassVar[Path]
    said: ClassVar[list[str]]
    seed: ClassVar[int]
    worlds: ClassVar[int]
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.said.clear()
        self.rig = Rig(self.store, self.path, self.said)
        self.broken = False
        self.values: set[str] = set()

    @initialize(number=st.integers(0, 10**6))
    def begin(self, number: int) -> None:
        self.number = number % self.worlds
        self.world = world(self.seed, self.number)
        self.rig.begin(self.world)
        self.rig.targets.swap = self._tighten

    @rule(sent=requests())
    def send(self, sent: Sent) -> None:
        self._step("send")
        self._judge([sent])

    @rule(sent=requests())
    def send_again(self, sent: Sent) -> None:
        """Most of what there is to find, it finds with requests."""
        self._step("send")
        self._judge([sent])

    @rule(sent=st.lists(requests(), min_size=2, max_size=3))
    def send_at_once(self, sent: list[Sent]) -> None:
        self._step("send_at_once")
        self._judge(sent)

    @rule(number=st.integers(0, 10**6), stricter=st.booleans())
    def reload(self, number: int, stricter: bool) -> None:
        self._step("reload")
        self.number = number % self.worlds
        self._swap(world(self.seed, self.number, stricter=stricter))

    @rule(name=st.sampled_from(TARGETS), waiting=st.integers(0, 2), cool_s=st.sampled_from((0.0, 0.0, 30.0)))
    def change_target(self, name: str, waiting: int, cool_s: float) -> None:
        """It is full, or ill, or well again."""
        self._step("change_target")
        board = self.rig.gateway.board
        board.forget(name)
        board.read_load(name, Load(running=waiting, waiting=waiting))
        board.cool(name, cool_s)

    @rule()
    def break_or_mend_the_ledger(self) -> None:
        self._step("break_or_mend")
        self.broken = not self.broken
        (self.rig.break_ledger if self.broken else self.rig.mend_ledger)()

    def teardown(self) -> None:
        """Counters only ever grow, so one look at the end is a look after each step."""
        if not hasattr(self, "world"):
            return
        metrics = self.rig.metrics.render(0, 0, {}).decode()
        self.rig.end()
        assert not [value for value in self.values if value in metrics]

    def _step(self, name: str) -> None:
        self.seen[name] += 1
        self.seen["steps"] += 1

    def _swap(self, to: World) -> None:
        self.world = to
        self.rig.gateway.swap(to.policy)

    def _tighten(self) -> None:
        self._swap(world(self.seed, self.number, stricter=True))

    def _judge(self, sent: list[Sent]) -> None:
        began_under = self.world
        self.rig.targets.hits.clear()
        self.rig.content.kept.clear()
        answers = self.rig.send(*sent)
        assert self.rig.gateway.in_flight == 0
        assert not any(state.in_flight for state in self.rig.gateway.board.states(TARGETS).values())
        for one, (mark, answered) in zip(sent, answers, strict=True):
            self.values |= {plant.value for plant in one.planted}
            hits = [(name, body) for marked, name, body in self.rig.targets.hits if marked == mark]
            self._judge_one(began_under, one, answered, hits)
        told = "\n".join(self.said)
        self.said.clear()
        assert not [value for value in self.values if value in told], told

    def _judge_one(self, under: World, sent: Sent, answered: Answered, hits: list[tuple[str, bytes]]) -> None:
        assert answered.status != 500, (answered.body, self.said)
        rows = self.rig.rows(answered.headers["x-request-id"])
        assert rows or not answered.whole, "answered whole, and not in the ledger"
        if not rows:  # nobody's, not readable, or not writable: then it was not answered
            assert self.broken or answered.status in {400, 401, 403, 404}, answered.body
            assert self.broken or not hits
        possible = [rows[0]["workload"]] if rows else workloads_of(under.said, sent)
        assert set(possible) <= set(workloads_of(under.said, sent))
        if not hits and not rows:
            return
        assert len(possible) == 1
        assert sent.junk is None or sent.declared is not None, "what nobody can read is no declaration"
        (workload,) = possible
        due = owed(under.said, sent, workload)
        for name, body in hits:
            self._judge_hit(under, sent, due, workload, name, body)
        if rows:
            self._judge_rows(under, sent, due, rows, answered, [name for name, _ in hits])
        if answered.whole:
            assert answered.text().partition("mark ")[2] == sent.last_text, "the caller gets its own values back"
            self.seen["restored"] += any(value in sent.last_text for value in due.redacted)

    def _judge_hit(self, under: World, sent: Sent, due: Owed, workload: str, name: str, body: bytes) -> None:
        assert may_see(under.said, sent, due, workload, name), (name, sent, due, under)
        if "provider" in under.said["targets"][name]:
            left = _spoken(body)
            assert not [value for value in due.redacted if value in left], (name, sent, under)
            self.seen["redacted"] += bool(due.redacted)

    def _judge_rows(
        self, under: World, sent: Sent, due: Owed, rows: list[dict[str, Any]], answered: Answered, hits: list[str]
    ) -> None:
        entry, *attempts = rows
        written = json.dumps(rows, ensure_ascii=False)
        assert not [plant for plant in sent.planted if plant.value in written], rows
        assert entry["policy"] == under.policy.version
        assert [attempt["target"] for attempt in attempts] == hits
        assert CLASSES.index(entry["data_class"]) >= due.data_class
        if due.blocked:
            assert (answered.status, entry["error_code"], hits) == (403, "content_blocked", [])
            self.seen["blocked"] += 1
        elif answered.status != 400:
            removed = {reason["target"] for reason in json.loads(entry["removed"] or "[]")}
            targets = under.said["workloads"][entry["workload"]]["targets"]
            forbidden = {name for name in targets if not may_see(under.said, sent, due, entry["workload"], name)}
            assert forbidden <= removed, (forbidden, removed, sent, under)
            self.seen["answered"] += entry["outcome"] == "finished"
            self.seen["failed over"] += len(hits) > 1
            self.seen["refused"] += entry["error_code"] == "no_target_allowed"
        self._judge_kept(under, due, entry)

    def _judge_kept(self, under: World, due: Owed, entry: dict[str, Any]) -> None:
        keep = under.said["workloads"][entry["workload"]].get("keep_content")
        for kept in self.rig.content.kept:
            if kept.id == entry["id"]:
                assert keep is not None
                assert max(due.data_class, due.held) <= kept.data_class <= CLASSES.index(keep["up_to"])
                assert entry["outcome"] == "finished"
                self.seen["kept"] += 1


def _spoken(body: bytes) -> str:
    """The bytes as they are, and every string in them with its escapes undone, twice for arguments inside a string."""
    text = body.decode()
    once = text.replace('\\"', '"').replace("\\\\", "\\")
    return f"{text}\n{once}"


@pytest.fixture
def search(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[type[Search]]:
    Search.path = tmp_path / "ledger.db"
    Search.store = SqliteStore(Search.path)
    Search.seed = SystemRandom().getrandbits(32)
    Search.seen = Counter()
    with logged() as Search.said:
        yield Search
    Search.store.close()


def run(machine: type[Search], examples: int, worlds: int) -> Counter[str]:
    """Search with a fresh seed, which is printed; what was seen on the way."""
    print(f"search seed {machine.seed}")
    machine.worlds = worlds
    bounds = settings(
        max_examples=examples, stateful_step_count=_STEPS, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(hypothesis.seed(machine.seed)(machine), settings=bounds)  # type: ignore[no-untyped-call]
    print(dict(machine.seen))
    return machine.seen


def saw_enough(seen: Counter[str], share: float) -> None:
    """Else the search could be one of a gateway that never sends anything."""
    for what in ("answered", "failed over", "refused", "blocked", "redacted", "restored", "kept"):
        assert seen[what] >= share * seen["steps"], (what, seen)


def test_no_request_gets_out_in_a_short_search(search: type[Search]) -> None:
    saw_enough(run(search, examples=30, worlds=12), share=0.001)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_request_gets_out_in_a_hundred_thousand_steps(search: type[Search]) -> None:
    seen = run(search, examples=2600, worlds=120)
    assert seen["steps"] >= 100_000, seen
    saw_enough(seen, share=0.001)
