"""`freehold explain` says which limits and budgets count a request, what is set aside for it, and what it does not know."""

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from ledger_entries import entry

from freehold.app.cli import main
from freehold.core.entry import Charge
from freehold.rules.budget import Account, Budget
from freehold.serve.access.keys import digest
from freehold.serve.stores.budget_leases import BudgetLeases
from freehold.serve.stores.opening import open_store

CONFIG = f"""\
version: 1
keys:
  - {{name: app, sha256: {digest("secret")}, team: red}}
targets:
  api: {{provider: lab, url: "https://api", model: m, clearance: internal, price: {{input: 1, output: 2}}}}
  box: {{engine: llamacpp, url: "https://box", model: m, clearance: restricted, concurrency: 2}}
workloads:
  both: {{targets: [api, box]}}
  rent: {{targets: [api]}}
  own: {{targets: [box]}}
budgets:
  - {{name: reds, scope: team, usd: 1}}
  - {{name: others, scope: team, match: blue, usd: 1}}
  - {{name: warned, scope: key, match: app, period: day, usd: 2, mode: warn}}
limits:
  rules:
    - {{name: keys, scope: key, requests_per_minute: 60, concurrent: 3}}
    - {{name: words, scope: workload, match: rent, tokens_per_minute: 100}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FREEHOLD_ADMIN_KEY", raising=False)
    Path("freehold.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], model: str, *options: str, cap: int | None = 10) -> tuple[int, str, str]:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]} | ({} if cap is None else {"max_tokens": cap})
    Path("request.json").write_bytes(msgspec.json.encode(body))
    with pytest.raises(SystemExit) as ended:
        main(["explain", "request.json", "--surface", "chat", *options])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


def spend(nanousd: int) -> None:
    """What an entry of this month cost is booked with it."""
    month = datetime.now(UTC).strftime("%Y-%m")
    with closing(open_store(Path("freehold.db"))) as store, closing(BudgetLeases(Path("freehold.db"))):
        store.write([entry("fh-1", cost_nanousd=nanousd, received_at=time.time(), charges=(Charge("reds/red", month, None),))])


def test_what_is_not_known_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = explained(capsys, "rent")
    assert code == 0
    assert "  limit keys, as keys/app: 1 of 60 requests a minute, 1 of 3 at once" in said
    assert "  limit words, as words/rent: " in said
    assert " of 100 tokens a minute" in said
    assert "  what is left of a limit only the running gateway knows" in said
    assert "  budget reds (hard), as reds/red in 20" in said
    assert "; of $1.00" in said
    assert "budget warned (warn), as warned in 20" in said
    assert "others" not in said
    assert "  what budgets have left is not known here: no ledger at freehold.db" in said
    assert "How busy\n  not known here; give --gateway with the URL of a gateway's admin API" in said


def test_what_is_left_comes_from_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    spend(250_000_000)
    _, said, _ = explained(capsys, "rent")
    assert "0.750000 left of $1.00" in said
    assert "$2.000000 left of $2.00" in said, "of whom nothing is on record has spent nothing"
    month = datetime.now(UTC).strftime("%Y-%m")
    with closing(BudgetLeases(Path("freehold.db"))) as leases:
        account = Account(Budget(name="reds", scope="team", match=None, period="month", limit_nanousd=10**9), "reds/red", month)
        held = leases.lease(account, None, 749_999_999, time.time(), time.time() + 60)
    assert held.amount_nanousd == 749_999_999
    code, said, _ = explained(capsys, "rent")
    assert code == 0, "what gateways hold, they hold for requests such as this one"
    assert "0.750000 left of $1.00, $0.750000 of it held by gateways" in said
    Path("freehold.db").rename("elsewhere.db")
    _, said, _ = explained(capsys, "rent", "--ledger", "elsewhere.db")
    assert "0.750000 left of $1.00" in said
    _, said, _ = explained(capsys, "own")
    assert "nothing is set aside, since nothing would be billed" in said
    assert "limit words" not in said


def test_the_bound_is_the_one_that_the_gateway_sets_aside(capsys: pytest.CaptureFixture[str]) -> None:
    _, said, _ = explained(capsys, "rent", "--json")
    counts = msgspec.json.decode(said)["counts"]
    body = sum(len(msgspec.json.encode(value)) for value in ("rent", [{"role": "user", "content": "hello"}], 10))
    assert counts["reserve_nanousd"] == (64 + body) * 1000 + 10 * 2000
    assert (counts["unpaid"], counts["refused"]) == (None, None)


def test_a_budget_that_cannot_pay_is_the_answer_no(capsys: pytest.CaptureFixture[str]) -> None:
    spend(999_999_999)
    code, said, _ = explained(capsys, "rent")
    assert code == 1
    assert "  refused: budget 'reds' has less left than is to be set aside, and no owned target may serve it" in said
    code, said, _ = explained(capsys, "both")
    assert code == 0
    assert "  only owned targets may serve it: budget 'reds' has less left" in said


def test_what_nothing_bounds_a_hard_budget_does_not_pay(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = explained(capsys, "rent", cap=None)
    assert code == 1
    assert "nothing bounds what the request may bill" in said
    assert "  refused: nothing bounds the output that api may bill, and budget 'reds' is hard, and no owned" in said
    Path("freehold.yaml").write_text(CONFIG.replace("usd: 1}", "usd: 1, mode: warn}"), encoding="utf-8")
    assert explained(capsys, "rent", cap=None)[0] == 0
    Path("freehold.yaml").write_text(CONFIG.partition("budgets:")[0], encoding="utf-8")
    assert "  no limit and no budget" in explained(capsys, "rent", cap=None)[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gateway", "http://127.0.0.1:1"), "--gateway needs --admin-key (or FREEHOLD_ADMIN_KEY)"),
        (("--gateway", "127.0.0.1:1", "--admin-key", "k"), "--gateway is '127.0.0.1:1'; use the URL of its admin API"),
        (("--gateway", "http://127.0.0.1:1", "--admin-key", "k"), "--gateway http://127.0.0.1:1: it does not answer ("),
        (("--ledger", "freehold.yaml"), None),
    ],
)
def test_who_cannot_be_asked(options: tuple[str, ...], words: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = explained(capsys, "rent", *options)
    if words is None:
        assert (code, "what budgets have left is not known here: " in out) == (0, True), "optional: said, and no mistake"
    else:
        assert (code, out) == (2, "")
        assert words in err
