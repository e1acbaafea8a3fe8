"""The stages of a migration: what may follow what, whoever asks for it, in whatever order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.migration.machine import Event, Kind, MigrationSettings, State, after, allowed, assignment, replay
from freehold.move.migration.pair import GateSettings, Guardrail

KINDS: tuple[Kind, ...] = ("start", "prove", "advance", "pause", "resume", "roll_back")
SETTINGS = MigrationSettings()
kinds = st.lists(st.sampled_from(KINDS), max_size=60)
steps = st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True).map(lambda found: tuple(s / 100 for s in sorted(found)))


offline = st.lists(st.sampled_from(("jobs", "evals", "backfill")), max_size=3, unique=True).map(tuple)


def walked(wished: list[Kind], settings: MigrationSettings) -> list[tuple[Kind, State]]:
    """Every wish that was possible in its turn, with the state behind it."""
    state, told = State(), list[tuple[Kind, State]]()
    for kind in wished:
        if allowed(state, kind):
            state = after(state, kind, settings)
            told.append((kind, state))
        else:
            with pytest.raises(BadSettings, match="is not possible in stage"):
                after(state, kind, settings)
    return told


@given(kinds, steps)
def test_nothing_is_live_or_has_a_share_that_the_gate_has_not_proven(wished: list[Kind], shares: tuple[float, ...]) -> None:
    settings = MigrationSettings(steps=shares)
    told = walked(wished, settings)
    for place, (_, state) in enumerate(told):
        asked = assignment("m", "w", "t", state, settings)
        proven = any(kind == "prove" for kind, _ in told[: place + 1])
        assert state.proven == proven
        if not proven:
            assert state.stage != "live"
            assert asked.share == 0
        if state.stage in {"draft", "paused", "rolled_back"}:
            assert asked.share == asked.copied == 0
        assert asked.share <= (1.0 if state.stage == "live" else max(shares))


@given(kinds, steps)
def test_the_share_only_grows_until_it_is_taken_back_whole(wished: list[Kind], shares: tuple[float, ...]) -> None:
    settings = MigrationSettings(steps=shares)
    told = [state for _, state in walked(wished, settings)]
    seen = [assignment("m", "w", "t", state, settings).share for state in told if state.stage in {"canary", "live"}]
    assert seen == sorted(seen)
    assert set(seen) <= {*shares, 1.0}


@given(kinds, steps, offline, st.sampled_from(("jobs", "app")))
def test_offline_keys_move_whole_and_first_and_come_back_with_the_others(
    wished: list[Kind], shares: tuple[float, ...], keys: tuple[str, ...], key: str
) -> None:
    settings = MigrationSettings(steps=shares, offline_keys=keys)
    before = 0.0
    for kind, state in walked(wished, settings):
        asked = assignment("m", "w", "t", state, settings)
        mine, others = asked.of(key).share, asked.of("nobody's").share
        if state.stage not in {"canary", "live"}:
            assert mine == others == 0
        elif key in keys:
            assert mine == 1
        else:
            assert mine == others
        if state.stage == "canary":
            first = bool(keys) and state.step == 0
            assert others == (0 if first else shares[state.step - bool(keys)])
            assert settings.step_name(state.step) == ("offline" if first else f"{others:.0%}")
        assert mine >= before or kind in {"pause", "roll_back"}
        before = mine


@given(kinds, steps)
def test_without_offline_keys_the_settings_of_older_ledgers_mean_what_they_did(
    wished: list[Kind], shares: tuple[float, ...]
) -> None:
    settings = MigrationSettings(steps=shares)
    older = msgspec.json.decode(msgspec.json.encode(settings))
    del older["offline_keys"]
    read = msgspec.convert(older, MigrationSettings)
    assert read == settings
    for _, state in walked(wished, read):
        asked = assignment("m", "w", "t", state, read)
        assert asked.step == (len(shares) if state.stage == "live" else state.step)
        if state.stage == "canary":
            assert asked.share == shares[state.step]


@given(kinds)
def test_rolling_back_is_possible_from_everywhere_and_final(wished: list[Kind]) -> None:
    for state in [State(), *(state for _, state in walked(wished, SETTINGS))]:
        if state.stage == "rolled_back":
            assert not any(allowed(state, kind) for kind in KINDS)
        else:
            assert after(state, "roll_back", SETTINGS).stage == "rolled_back"


@given(kinds)
def test_a_pause_changes_nothing_but_time(wished: list[Kind]) -> None:
    for _, state in walked(wished, SETTINGS):
        if allowed(state, "pause"):
            assert after(after(state, "pause", SETTINGS), "resume", SETTINGS) == state


@given(kinds)
def test_a_replay_gives_the_same_state_bit_for_bit(wished: list[Kind]) -> None:
    told = walked(wished, SETTINGS)
    events = [Event(kind=kind, at=float(n), by="x") for n, (kind, _) in enumerate(told)]
    again = msgspec.json.decode(msgspec.json.encode(events), type=list[Event])
    expected = told[-1][1] if told else State()
    assert msgspec.json.encode(replay(again, SETTINGS)) == msgspec.json.encode(expected)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), [(0, 0), (0.01, 0.01), (0.05, 0.05), (0.25, 0.25), (0.5, 0.5), (1, 1)]),
        (("jobs",), [(0, 0), (0, 1), (0.01, 1), (0.05, 1), (0.25, 1), (0.5, 1), (1, 1)]),
    ],
)
def test_the_usual_way(keys: tuple[str, ...], expected: list[tuple[float, float]]) -> None:
    """The shares of a caller who waits, and of a nightly job."""
    state, shares, settings = State(), [], MigrationSettings(offline_keys=keys)
    way: list[Kind] = ["start", "prove"]
    way += ["advance"] * (len(expected) - 2)
    for kind in way:
        state = after(state, kind, settings)
        asked = assignment("m", "w", "t", state, settings)
        shares.append((asked.of("app").share, asked.of("jobs").share))
    assert shares == expected
    assert state.over


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": ()}, "rising shares"),
        ({"steps": (0.5, 0.1)}, "rising shares"),
        ({"steps": (0.5, 0.5)}, "rising shares"),
        ({"steps": (0.5, 1.0)}, "rising shares"),
        ({"dwell": 0}, "dwell is 0"),
        ({"copied": 0.0}, "copied is 0"),
        ({"copied": 1.5}, "copied is 1.5"),
        ({"day_nanousd": -1}, "day_nanousd is -1"),
        ({"late_s": 0.0}, "late_s is 0"),
        ({"late_s": float("nan")}, "late_s is nan"),
        ({"gate": GateSettings(guardrails=(Guardrail("taste", "at_most", 0.1),))}, "'taste' is not measured"),
        ({"guard": (Guardrail("refusals", "at_most", 0.1),)}, "'refusals' is not measured"),
        ({"guard": (Guardrail("errors", "worse_by", 0.1),)}, "the canary does not ask"),
        ({"guard": (Guardrail("errors", "at_most", 0.1),) * 2}, "given twice"),
        ({"offline_keys": ("jobs", "jobs")}, "offline key 'jobs' is given twice; name each key once"),
        ({"offline_keys": ("",)}, "offline key '' is empty"),
    ],
)
def test_settings_that_could_not_work_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        MigrationSettings(**fields)  # type: ignore[arg-type]
