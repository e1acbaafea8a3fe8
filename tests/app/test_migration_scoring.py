"""What pairs become in a migration's log: by a suite's expectations, by a judge inside the gateway, or by nothing, with why."""

import json
import re
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from in_memory import MemoryLedger
from judge_model import Mind, completion, first_always

from freehold.app.migration_scoring import Scorer
from freehold.app.migration_sources import suite_of
from freehold.core.assignment import Assignment
from freehold.core.conversation import Text
from freehold.core.data import DataClass, Handling, Party
from freehold.core.errors import BadSettings
from freehold.core.ports import Codec, HttpCall
from freehold.core.price import PriceCard, Rate
from freehold.core.request import Ask, Hints
from freehold.core.said import Choice, Whole
from freehold.core.target import Target, Workload
from freehold.move.evaluate import text_graders
from freehold.move.migration.lines import Checked, PairScore, Score, Unscored
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.move.migration.progress import Migration
from freehold.rules.budget import Account
from freehold.rules.sensitivity.actions import Actions
from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.scanner import Scanner
from freehold.serve.access.keys import Keyring
from freehold.serve.access.purse import Held
from freehold.serve.gateway.errand import Errands
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Inspector
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.gateway.shadow import Compared
from freehold.wire.openai_chat import OpenAiChat
from freehold.wire.openai_chat.request import read

CHAT = OpenAiChat()
RATE = Rate(1_000_000_000)
CARD = PriceCard(provider="p", model="m", input=RATE, output=RATE, valid_from="d", source="s")
ONE = Assignment(migration="mig-1", workload="w", target="box", stage="shadow", copied=1.0, day_nanousd=10**9)
HEAD = "version: 1\nworkload: w\n"
JUDGED = f"""{HEAD}
judge:
  target: judge
  model: claude-x
  arms: {{owned: qwen, rented: gpt-4o}}
  rubric: As many good as can be.
  canaries: 4
"""
EXPECTED = f"""{HEAD}
samples: known.jsonl
graders:
  - {{name: label, kind: match}}
  - {{name: short, kind: length, at_most: 4, guardrail: true}}
"""


def good(seen: dict[str, str]) -> object:
    """Counts, and no null answer has any."""
    first, second = seen["first answer"].count("good"), seen["second answer"].count("good")
    return {"verdict": "first" if first > second else "second" if second > first else "tie"}


class JudgeReply:
    def __init__(self, status: int, body: bytes) -> None:
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self.status = status
        self._body = body

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return await self.chunk()

    def close(self) -> None:
        return


class Judges:
    """The Outbound: a judge of that mind, or one that fails."""

    def __init__(self, mind: Mind) -> None:
        self.mind = mind
        self.down = False
        self.asked: list[str] = []

    async def send(self, call: HttpCall) -> JudgeReply:
        body = json.loads(call.body)
        self.asked.append(body["messages"][1]["content"])
        return JudgeReply(500, b"{}") if self.down else JudgeReply(200, json.dumps(completion(self.mind, body)).encode())


class Money:
    def __init__(self) -> None:
        self.left = 10**9
        self.owners: set[str] = set()

    async def hold(self, accounts: list[Account], amount: int) -> Held:
        self.owners |= {account.owner for account in accounts}
        self.left -= amount
        return Held(amount, tuple((account, None) for account in accounts))

    def settle(self, held: Held, cost: int) -> None:
        self.left += held.amount_nanousd - cost


class Here:
    """A gateway whose judge is rented and cleared for internal data."""

    def __init__(self, folder: Path, suite: str, mind: Mind = good, inspector: Inspector | None = None) -> None:
        self.folder = folder
        self.path = folder / "suite.yaml"
        self.path.write_text(suite, encoding="utf-8")
        judge = Target(name="judge", kind="rented", codec="p", url="http://j", model="m", clearance=DataClass.internal)
        policy = Policy(
            version="v", targets={"judge": judge}, workloads={"w": Workload(name="w", targets=())}, engines={}, keys=Keyring([]),
            codecs={"judge": Codec(natives={"openai_chat": CHAT}, composer=None, verdict=CHAT.verdict)}, bounds=Bounds(),
            price=_price, inspector=inspector,
        )  # fmt: skip
        self.judges, self.ledger, self.money = Judges(mind), MemoryLedger(), Money()
        self.gateway = Gateway(policy, self.judges, self.ledger)
        self.gateway.admission.purse = self.money  # type: ignore[assignment]
        self.gateway.assignments = {"w": (ONE,)}
        ref = suite_of(self.path, "w")
        limits = tuple(Guardrail(name, "worse_by", 0.1) for name in ref.guardrails)
        settings = MigrationSettings(suite=ref, gate=GateSettings(guardrails=limits))
        migration = Migration(id="mig-1", workload="w", target="box", settings=settings, made_at=0.0)
        self.scorer = Scorer(migration, self.gateway, Errands(self.gateway))
        self.policy: Policy | None = None  # of the pairs, where it is not the gateway's

    async def score(self, candidate: str | None, incumbent: str, asks: str = "hi", **ask: Any) -> list[Score]:
        handling = ask.pop("handling", Handling())
        request = read(msgspec.json.encode({"model": "w", "messages": [{"role": "user", "content": asks}], "n": 1}))
        return await self.scorer.score(Compared(
            assignment=ONE, request=request, id="fh-1", incumbent=whole(incumbent), incumbent_s=1.0, candidate_s=1.0,
            candidate=None if candidate is None else whole(candidate), cost_nanousd=7,
            ask=Ask(workload="w", handling=handling, parties=(Party("key", handling),), **ask),
            policy=self.policy or self.gateway.policy,
        ))  # fmt: skip

    async def checked(self) -> Checked:
        """With two pairs the judge has shown what it is."""
        lines = [line for _ in range(2) for line in await self.score("x", "good good")]
        assert [line.why for line in lines if isinstance(line, Unscored)] == ["judge: checking"] * 2
        (checked,) = (line for line in lines if isinstance(line, Checked))
        return checked


def _price(target: Target, day: date) -> PriceCard | None:
    return CARD


def whole(text: str) -> Whole:
    return Whole(id="1", model="m", choices=(Choice(parts=(Text(text),), stop="end"),))


def figures(lines: list[Score]) -> tuple[float, float]:
    (line,) = lines
    assert isinstance(line, PairScore)
    return line.candidate, line.incumbent


def why(lines: list[Score]) -> str:
    (line,) = lines
    assert isinstance(line, Unscored)
    assert line.cost_nanousd == 7, "what was paid for is on record all the same"
    return line.why


@pytest.fixture
def expected(tmp_path: Path) -> Here:
    line = {"request": {"messages": [{"role": "user", "content": "hi"}]}, "reference": "yes"}
    (tmp_path / "known.jsonl").write_text(json.dumps(line), encoding="utf-8")
    return Here(tmp_path, EXPECTED)


async def test_both_are_held_against_what_is_expected(expected: Here) -> None:
    assert figures(await expected.score("yes", "no")) == (1.0, 0.0)
    assert figures(await expected.score("no", "yes")) == (0.0, 1.0)
    assert figures(await expected.score(None, "yes")) == (0.0, 1.0)
    (line,) = await expected.score("yes, of course", "yes")
    assert isinstance(line, PairScore)
    assert (line.harms["short"], line.harms["errors"]) == ((1.0, 0.0), (0.0, 0.0))


async def test_what_has_no_expected_answer_counts_for_neither(expected: Here) -> None:
    assert why(await expected.score("yes", "no", asks="something else")) == "no expected answer"


async def test_a_suite_that_changed_or_went_grades_nothing(expected: Here) -> None:
    text = expected.path.read_text(encoding="utf-8")
    expected.path.write_text(text.replace("at_most: 4", "at_most: 5"), encoding="utf-8")
    assert why(await expected.score("yes", "no")) == "suite: changed"
    expected.path.unlink()
    assert why(await expected.score("yes", "no")) == "suite: unreadable"
    expected.path.write_text(f"# another comment\n{text}", encoding="utf-8")
    assert figures(await expected.score("yes", "no")) == (1.0, 0.0), "what decides is the same again"


async def test_null_answers_first_then_both_orders_out_of_the_migrations_money(tmp_path: Path) -> None:
    here = Here(tmp_path, JUDGED)
    checked = await here.checked()
    assert (checked.canaries, checked.won, checked.tied, checked.fit, len(here.judges.asked)) == (4, 0, 0, True, 8)
    (line,) = await here.score("good good, really", "good")
    assert isinstance(line, PairScore)
    assert (line.candidate, line.incumbent) == (1.0, 0.0)
    assert line.judged is not None
    assert (line.judged.turned, line.judged.longer) == (False, True)
    assert len(here.judges.asked) == 10
    entries = here.ledger.entries
    assert {(e.purpose, e.workload, e.key, e.target, e.team) for e in entries} == {
        ("judge", "freehold-shadow:w", "freehold", "judge", None)
    }
    assert {entry.reason for entry in entries} == {"judge of fh-1; migration mig-1"}
    assert line.judge_nanousd == sum(entry.cost_nanousd for entry in entries[-2:]) > 0
    assert here.money.owners == {"freehold-shadow/w"}
    assert here.money.left == 10**9 - sum(entry.cost_nanousd for entry in entries)
    assert figures(await here.score("good", "good")) == (0.5, 0.5)
    assert len(here.judges.asked) == 10, "the same answer is a tie without being asked"


async def test_a_judge_without_judgement_is_asked_nothing_more(tmp_path: Path) -> None:
    here = Here(tmp_path, JUDGED, first_always)
    assert not (await here.checked()).fit, "each verdict turns with the order, so all of them are ties"
    before = len(here.judges.asked)
    assert why(await here.score("good", "x")) == "judge: unfit"
    assert len(here.judges.asked) == before


@pytest.mark.parametrize(
    "ask",
    [
        {"handling": Handling(data_class=DataClass.confidential)},
        {"handling": Handling(regions=frozenset({"eu"}))},
        {"handling": Handling(labels=frozenset({"phi"}))},
        {"within": frozenset({"box"})},
        {"hints": Hints(only=("box",))},
    ],
)
async def test_what_binds_the_request_binds_the_judge(tmp_path: Path, ask: dict[str, Any]) -> None:
    """Also where both answers are the same, or one is missing: else ties and failures alone would count."""
    here = Here(tmp_path, JUDGED)
    await here.checked()
    before = len(here.judges.asked)
    for candidate in ("good", "x", None):
        assert why(await here.score(candidate, "good", **ask)) == "judge: barred"
    assert len(here.judges.asked) == before


async def test_a_judge_that_is_down_costs_neither_model(tmp_path: Path) -> None:
    here = Here(tmp_path, JUDGED)
    await here.checked()
    assert figures(await here.score(None, "good")) == (0.0, 1.0)
    here.judges.down = True
    assert why(await here.score("good", "x")) == "judge: failed"
    for _ in range(5):
        here.gateway.board.failed(visit := here.gateway.board.enter("judge"), CHAT.verdict(500, {}, b"{}"))
        here.gateway.board.leave(visit)
    here.gateway.clock = Patient()
    for candidate in ("good", "x", None):
        assert why(await here.score(candidate, "good")) == "judge: no_room", "nor do ties and failures count meanwhile"


class Patient:
    """A clock by which half a minute is over at each look."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return 1_790_000_000.0

    def monotonic(self) -> float:
        self.at += 31.0
        return self.at


async def test_what_an_answer_reveals_is_kept_from_the_judge(tmp_path: Path) -> None:
    inspector = Inspector(Scanner(shipped_kinds()), Actions.read({"pii": "redact"}))
    here = Here(tmp_path, JUDGED, inspector=inspector)
    await here.checked()
    assert figures(await here.score("good, write to ann.lee@example.com", "no")) == (1.0, 0.0)
    assert "write to" in here.judges.asked[-1]
    assert not any("ann.lee" in asked for asked in here.judges.asked)
    blocking = Inspector(Scanner(shipped_kinds()), Actions.read({"pii": "block"}))
    here.gateway.policy = msgspec.structs.replace(here.gateway.policy, inspector=blocking)
    assert why(await here.score("good, write to ann.lee@example.com", "no")) == "judge: barred"


async def test_a_pair_of_another_policy_goes_to_no_judge(tmp_path: Path) -> None:
    """A reload may bind the workload by more, which nobody has held against the judge."""
    here = Here(tmp_path, JUDGED)
    await here.checked()
    before, here.policy = len(here.judges.asked), here.gateway.policy
    restricted = Workload(name="w", targets=(), handling=Handling(data_class=DataClass.restricted))
    here.gateway.swap(msgspec.structs.replace(here.policy, workloads={"w": restricted}))
    for candidate in ("good", "x", None):
        assert why(await here.score(candidate, "good")) == "judge: stopped"
    assert len(here.judges.asked) == before


async def test_a_judge_that_the_policy_does_not_have_is_told_apart(tmp_path: Path) -> None:
    here = Here(tmp_path, JUDGED)
    await here.checked()
    here.gateway.swap(msgspec.structs.replace(here.gateway.policy, targets={}))
    assert why(await here.score("good", "x")) == "judge: unknown"


async def test_what_the_models_wrote_is_graded_beside_the_callers(expected: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    normalised, threads = text_graders.normalised, set[int]()

    def noted(text: str) -> str:
        threads.add(threading.get_ident())
        return normalised(text)

    monkeypatch.setattr(text_graders, "normalised", noted)
    assert figures(await expected.score("." * 100_000, "yes")) == (0.0, 1.0)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_judge_that_says_nothing_is_no_loss(tmp_path: Path) -> None:
    here = Here(tmp_path, JUDGED)
    await here.checked()
    here.judges.mind = lambda seen: "I would rather not say."
    assert why(await here.score("good", "x")) == "judge: mute"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD.replace("w\n", "other\n") + "graders: [{name: a, kind: answered}]", "workload is 'other', and 'w' is to move"),
        (HEAD + "graders: [{name: a, kind: match}]", "give samples with the answers expected, or set reference: incumbent"),
    ],
)
def test_a_suite_that_could_grade_nothing_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match=re.escape(told)):
        suite_of(path, "w")
