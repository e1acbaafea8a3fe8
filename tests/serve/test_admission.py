"""The door's own bookkeeping: what it remembers between requests is what it would find anew."""

from hypothesis import given
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage

from freehold.rules.budget import Budget, Caller, accounts_of
from freehold.serve.access.admission import _Accounts
from freehold.serve.access.windows import Windows

_DAY_S = 86_400
_names = st.sampled_from([None, "red", "blue"])
_callers = st.fixed_dictionaries({"key": st.sampled_from(["app", "job"]), "team": _names, "user": _names, "workload": _names})
_budgets = st.lists(
    st.builds(
        Budget,
        name=st.sampled_from(["a", "b"]),
        scope=st.sampled_from(["key", "team", "user", "workload"]),
        match=st.sampled_from([None, "red", "app"]),
        period=st.sampled_from(["day", "month"]),
        limit_nanousd=st.just(10**9),
    ),
    max_size=4,
).map(tuple)


@given(
    policies=st.lists(_budgets, min_size=1, max_size=3),
    asked=st.lists(st.tuples(st.integers(0, 2), _callers, st.floats(1.75e9, 1.76e9)), max_size=30),
)
def test_accounts_are_those_of_the_moment(policies: list[tuple[Budget, ...]], asked: list[tuple[int, Caller, float]]) -> None:
    accounts = _Accounts()
    for which, caller, now in asked:
        budgets = policies[which % len(policies)]
        assert accounts.of(budgets, caller, now) == accounts_of(budgets, caller, now)


def test_a_new_day_is_a_new_account() -> None:
    accounts, budgets = _Accounts(), (Budget(name="a", scope="key", match=None, period="day", limit_nanousd=1),)
    caller: Caller = {"key": "app", "team": None, "user": None, "workload": "w"}
    midnight = 20_000 * _DAY_S
    periods = [accounts.of(budgets, caller, at)[0].period for at in (midnight - 0.001, midnight, midnight + 1)]
    assert periods == ["2024-10-03", "2024-10-04", "2024-10-04"]


async def test_a_minute_that_is_over_counts_no_more_and_is_not_corrected() -> None:
    now = 1000.0
    windows = Windows(MemoryStorage(), lambda: now)
    first = await windows.add("tokens", 100, "app", 60)
    assert first is not None
    assert (first.total, first.ends_at) == (60, 1060.0)
    await windows.correct(first, 10)
    second = await windows.add("tokens", 100, "app", 5)
    assert second is not None
    assert second.total == 15
    now = 1060.0
    await windows.correct(first, 1000)
    third = await windows.add("tokens", 100, "app", 5)
    assert third is not None
    assert (third.total, third.ends_at) == (5, 1120.0)
