"""Proof by search: no configuration, request, fault, reload or broken ledger brings data to where it may not be.

A state machine drives the real request line. What it must never do is judged by `search_oracle`, which knows only the text of the
configuration and what the maker of a request put into it.
"""

import base64
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar, NamedTuple

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from search_answers import Answered
from search_dialects import DIALECTS
from search_oracle import Owed, may_see, owed, prompt_of, workloads_of
from search_requests import Sent, requests
from search_rig import Hit, Rig, logged
from search_worlds import CLASSES, OPERATORS, TARGETS, World, world

from freehold.core.decision import Load
from freehold.serve.stores.sqlite import SqliteStore

_STEPS = 50
_NATIVE = {
    "openai_chat": "chat/completions", "openai_completions": "completions", "openai_responses": "responses",
    "openai_embeddings": "embeddings", "anthropic_messages": "messages", "anthropic_count_tokens": "messages/count_tokens",
}  # fmt: skip
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_SEED = "20261121"  # the same search every time, so that a failure is the change's; SEARCH_SEED=random searches anew


class Case(NamedTuple):
    """One request under the world that it began under."""

    under: World
    sent: Sent
    due: Owed
    workload: str

    def may_see(self, name: str) -> bool:
        """Whether that target may see any of it."""
        return may_see(self.under.said, self.sent, self.due, self.workload, name)


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

    @rule(sent=requests)
    def send(self, sent: Sent) -> None:
        self._step("send")
        self._judge([sent])

    @rule(first=requests, second=requests, third=requests)
    def send_one_by_one(self, first: Sent, second: Sent, third: Sent) -> None:
        """Most of what there is to find is found with requests."""
        self._step("send_one_by_one")
        for sent in (first, second, third):
            self._judge([sent])

    @rule(sent=st.lists(requests, min_size=2, max_size=3))
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
        visit = board.enter(name)
        board.ended(visit, "failed", cool_s)
        board.leave(visit)

    @rule(first=requests, second=requests)
    def break_and_mend_the_ledger(self, first: Sent, second: Sent) -> None:
        """The first request finds out that nothing can be written."""
        self._step("break_and_mend")
        self.broken = True
        self.rig.break_ledger()
        self._judge([first])
        self._judge([second])
        self.rig.mend_ledger()
        self.broken = False

    def teardown(self) -> None:
        """Counters only ever grow, so one look at the end is a look after each step."""
        if not hasattr(self, "world"):
            return
        metrics = self.rig.metrics.render(0, 0).decode()
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
            hits = [hit for hit in self.rig.targets.hits if hit.mark == mark]
            self._judge_one(began_under, one, answered, hits)
        told = "\n".join(self.said)
        self.said.clear()
        assert not [value for value in self.values if value in told], told

    def _judge_one(self, under: World, sent: Sent, answered: Answered, hits: list[Hit]) -> None:
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
        case = Case(under, sent, due, workload)
        for hit in hits:
            self._judge_hit(case, hit)
        if rows:
            self._judge_rows(case, rows, answered, [hit.target for hit in hits])
        if answered.whole and DIALECTS[sent.dialect].words:
            self._judge_words(case, answered, hits[-1])

    def _judge_hit(self, case: Case, hit: Hit) -> None:
        name, dialect = hit.target, case.sent.dialect
        assert case.may_see(name), (name, case)
        left = _spoken(hit.seen)
        translated = hit.dialect != _NATIVE[dialect]
        if prompt_of(case.under.said, case.workload, name):
            assert OPERATORS in left, (name, case)
            self.seen["prompted"] += 1
        self.seen[f"{dialect} sent"] += 1
        if translated:
            self.seen[f"asked in {hit.dialect}"] += 1
        if "provider" in case.under.said["targets"][name]:
            assert not [value for value in case.due.redacted if value in left], (name, case)
            self.seen["redacted"] += bool(case.due.redacted)
            self.seen["redacted in another dialect"] += bool(case.due.redacted) and translated

    def _judge_words(self, case: Case, answered: Answered, hit: Hit) -> None:
        """The caller gets its own values back, with what the operator has behind them."""
        template = prompt_of(case.under.said, case.workload, hit.target).get("template", "{content}")
        last = case.sent.last_text
        for said in (answered.text(), *(json.loads(call)["q"] for call in answered.called())):
            assert said.partition("mark ")[2] == last + template.partition("{content}")[2], (answered.body, case)
        self.seen["called"] += bool(answered.called())
        restored = any(value in last for value in case.due.redacted) and "provider" in case.under.said["targets"][hit.target]
        self.seen["restored"] += restored
        self.seen["restored from another dialect"] += restored and hit.dialect != _NATIVE[case.sent.dialect]
        self.seen["begun anew"] += answered.restarted

    def _judge_rows(self, case: Case, rows: list[dict[str, Any]], answered: Answered, hits: list[str]) -> None:
        under, sent, due, workload = case
        entry, *attempts = rows
        written = json.dumps(rows, ensure_ascii=False)
        assert not [plant for plant in sent.planted if plant.value in written], rows
        assert entry["policy"] == under.policy.version
        unsaid = [attempt for attempt in attempts if attempt["outcome"] == "rejected" and attempt["status"] is None]
        assert [attempt["target"] for attempt in attempts if attempt not in unsaid] == hits, (attempts, hits)
        self.seen["could not be said redacted"] += len(unsaid)
        assert CLASSES.index(entry["data_class"]) >= due.data_class
        if due.blocked:
            assert (answered.status, entry["error_code"], hits) == (403, "content_blocked", [])
            self.seen["blocked"] += 1
        elif answered.status != 400:
            removed = {reason["target"] for reason in json.loads(entry["removed"] or "[]")}
            forbidden = {name for name in under.said["workloads"][workload]["targets"] if not case.may_see(name)}
            assert forbidden <= removed, (forbidden, removed, case)
            self.seen["answered"] += entry["outcome"] == "finished"
            self.seen[f"{sent.dialect} answered"] += entry["outcome"] == "finished"
            self.seen["held"] += not hits and answered.status == 503
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
    """The bytes as they are, documents in them read, and all with its escapes undone, twice for arguments inside a string."""
    text = body.decode()
    text += "".join(base64.b64decode(found + "=" * (-len(found) % 4)).decode(errors="replace") for found in _BASE64.findall(text))
    once = text.replace('\\"', '"').replace("\\\\", "\\").replace("\\u0040", "@").replace("\\u0070", "p")
    return f"{text}\n{once}"


@pytest.fixture
def search(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[type[Search]]:
    Search.path = tmp_path / "ledger.db"
    Search.store = SqliteStore(Search.path)
    stated = os.environ.get("SEARCH_SEED", _SEED)
    Search.seed = SystemRandom().getrandbits(32) if stated == "random" else int(stated)
    Search.seen = Counter()
    with logged() as Search.said:
        yield Search
    Search.store.close()


def run(machine: type[Search], examples: int, worlds: int) -> Counter[str]:
    """Search with a fresh seed, which is printed; what was seen on the way."""
    print(f"SEARCH_SEED={machine.seed}")  # noqa: T201  to search the same way again
    machine.worlds, began = worlds, time.monotonic()
    bounds = settings(
        max_examples=examples, stateful_step_count=_STEPS, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), print_blob=False,
        report_multiple_bugs=False,
    )  # fmt: skip
    run_state_machine_as_test(hypothesis.seed(machine.seed)(machine), settings=bounds)
    print(dict(machine.seen), f"{machine.seen['steps'] / (time.monotonic() - began):.0f} steps/s")  # noqa: T201  what was searched
    return machine.seen


def saw(seen: Counter[str], *whats: str) -> None:
    """Else the search could be one of a gateway that never sends anything."""
    assert not [what for what in whats if not seen[what]], seen


def test_no_request_gets_out_in_a_short_search(search: type[Search]) -> None:
    saw(run(search, examples=25, worlds=10), "answered", "failed over", "refused", "blocked", "redacted", "prompted")


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_no_request_gets_out_in_a_hundred_thousand_steps(search: type[Search]) -> None:
    seen = run(search, examples=2350, worlds=120)
    assert seen["steps"] >= 100_000, seen
    saw(seen, "answered", "failed over", "refused", "blocked", "redacted", "restored", "kept", "held", "called", "prompted")
    saw(seen, "redacted in another dialect", "restored from another dialect", "begun anew")
    assert not seen["could not be said redacted"], "that is decided before an attempt is made"
    saw(seen, *(f"{dialect} answered" for dialect in DIALECTS))
    saw(seen, *(f"asked in {dialect}" for dialect in ("chat/completions", "messages", "generateContent")))
