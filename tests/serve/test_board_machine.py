"""The board model-checked: any interleaving of attempts, endings, checks, headers, reloads and time.

The gateway's promise is played here: what the board holds is sent nothing. Then at most one request at a time finds out whether a
target is back, counters never fall below nothing, and nothing is held for good.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from freehold.core.decision import TargetState
from freehold.rules.breaker import Breaking, Ending
from freehold.rules.health import Care
from freehold.rules.quota import Rates
from freehold.serve.gateway.board import Board, Visit

NAME = "box"
LONGEST_S = 40.0
CARES = st.builds(
    lambda rate, paid: {NAME: Care(breaking=Breaking(2, 5, LONGEST_S), rates=Rates(rate, None), paid_probes=paid)},
    st.none() | st.integers(1, 100),
    st.booleans(),
)
ENDINGS: st.SearchStrategy[Ending] = st.sampled_from(["began", "answered", "failed", "failed", "overloaded", "refused", "left"])


class BoardMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.board = Board(lambda: self.now)
        self.board.follow({NAME: Care(breaking=Breaking(2, 5, LONGEST_S))})
        self.under_way: list[Visit] = []
        self.probes: set[int] = set()  # sent while half-open, and neither told of nor left
        self.deadline = 0.0  # the latest that the target asked for

    @initialize(down=st.booleans())
    def begin(self, down: bool) -> None:
        """Half of the runs begin where it is open, with requests still under way."""
        if down:
            self.under_way = [self.board.enter(NAME) for _ in range(4)]
            for visit in self.under_way[:2]:
                self.board.ended(visit, "failed")

    def state(self) -> TargetState:
        return self.board.states((NAME,))[NAME]

    @rule(tokens=st.integers(0, 10**6))
    def send(self, tokens: int) -> None:
        if self.board.held_s(NAME, tokens) > 0:
            return
        half_open = self.state().phase == "half_open"
        visit = self.board.enter(NAME, tokens)
        self.under_way.append(visit)
        if half_open:
            self.probes.add(visit.number)

    @rule()
    def send_all_the_same(self) -> None:
        """As the last resort, or by a decision that is a moment old."""
        held = self.board.held_s(NAME) > 0
        half_open = self.state().phase == "half_open"
        visit = self.board.enter(NAME)
        self.under_way.append(visit)
        if half_open and not held:
            self.probes.add(visit.number)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 10**6), ending=ENDINGS, cool_s=st.sampled_from((0.0, 0.0, 1.0, 20.0)), asked=st.booleans())
    def end(self, which: int, ending: Ending, cool_s: float, asked: bool) -> None:
        visit = self.under_way[which % len(self.under_way)]
        self.board.ended(visit, ending, cool_s, asked=asked)
        self.probes.discard(visit.number)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 10**6), tokens=st.none() | st.integers(0, 10**6), twice=st.booleans())
    def leave(self, which: int, tokens: int | None, twice: bool) -> None:
        visit = self.under_way.pop(which % len(self.under_way))
        self.board.leave(visit, tokens)
        if twice:
            self.board.leave(visit, tokens)
        self.probes.discard(visit.number)

    @rule()
    def fail_all_but_the_probe(self) -> None:
        """As when a machine goes down: what was under way fails late."""
        for visit in self.under_way:
            if visit.number not in self.probes:
                self.board.ended(visit, "failed")

    @rule(seconds=st.sampled_from((0.5, 5.0, 10.0, LONGEST_S)) | st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(healthy=st.booleans())
    def check(self, healthy: bool) -> None:
        self.board.checked(NAME, healthy=healthy)

    @rule(left=st.integers(0, 20), reset=st.integers(0, 100_000))
    def hear(self, left: int, reset: int) -> None:
        said = {"limit": "20", "remaining": str(left), "reset": f"{reset}ms"}
        self.board.heard(NAME, {f"x-ratelimit-{name}-requests": value for name, value in said.items()})

    @rule(cares=CARES)
    def reload(self, cares: dict[str, Care]) -> None:
        self.board.follow(cares)

    @rule()
    def move(self) -> None:
        """The name is another place's: what finds out about the old one finds out nothing."""
        self.board.forget(NAME)
        self.probes.clear()

    @invariant()
    def one_probe_at_most(self) -> None:
        assert len(self.probes) <= 1

    @invariant()
    def counts_are_counts(self) -> None:
        state = self.state()
        assert state.in_flight == len(self.under_way)
        assert state.failures >= 0
        assert 0 < state.share <= 1
        assert min(state.cooling_s, state.asked_s, state.open_s, state.quota_s, state.foreign) >= 0
        assert state.asked_s <= state.cooling_s

    @invariant()
    def nothing_is_held_for_long(self) -> None:
        assert self.board.held_s(NAME) <= 60

    def teardown(self) -> None:
        for visit in self.under_way:
            self.board.leave(visit)
        self.now += 120
        assert self.board.held_s(NAME, 10**9) == 0, "nothing is held for ever"


BoardMachine.TestCase.settings = settings(stateful_step_count=50, deadline=None)
test_board = BoardMachine.TestCase
