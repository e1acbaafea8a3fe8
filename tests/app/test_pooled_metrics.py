"""Many processes' series as one: sums that never fall, whatever ends and begins, and the worst of what is a state."""

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from freehold.app.pooled_metrics import Pool, families_of
from freehold.core.decision import TargetState
from freehold.serve.sinks.prometheus import PrometheusSink


def value(pool: Pool, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(pool.render().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["count", "ask", "die"])), max_size=25))
def test_a_sum_never_falls_and_loses_only_what_nobody_had_asked_for(steps: list[tuple[int, str]]) -> None:
    pool, sinks = Pool(), [PrometheusSink() for _ in range(3)]
    unasked, known, shown = [0, 0, 0], 0, 0.0
    for number, step in steps:
        if step == "count":
            sinks[number].count_reload("loaded")
            unasked[number] += 1
        elif step == "ask":
            pool.take(number, families_of(sinks[number].registry))
            known, unasked[number] = known + unasked[number], 0
        else:
            pool.bury(number)
            sinks[number], unasked[number] = PrometheusSink(), 0
        now = value(pool, "freehold_config_reloads_total", result="loaded") or 0.0
        assert now == known >= shown
        shown = now


def test_a_state_is_the_worst_of_those_who_are_there() -> None:
    pool, well, ill = Pool(), PrometheusSink(), PrometheusSink()
    well.show_targets({"api": TargetState()})
    ill.show_targets({"api": TargetState(phase="open", share=0.2, quota_s=3.0)})
    for in_flight, sink in enumerate((well, ill), 1):
        sink.show_process(in_flight, 0)
        sink.show_money({"day": in_flight / 4}, 0, 0)
        pool.take(in_flight, families_of(sink.registry))
    assert value(pool, "freehold_target_up", target="api") == 0
    assert value(pool, "freehold_breaker_state", target="api") == 2
    assert value(pool, "freehold_target_share_ratio", target="api") == 0.2
    assert value(pool, "freehold_target_quota_wait_seconds", target="api") == 3
    assert value(pool, "freehold_budget_remaining_ratio", budget="day") == 0.25
    assert value(pool, "freehold_inflight") == 3
    assert value(pool, "freehold_workers") == 2
    pool.bury(2)
    assert value(pool, "freehold_target_up", target="api") == 1
    assert value(pool, "freehold_inflight") == 1


def test_one_process_reads_as_it_would_by_itself() -> None:
    pool, sink = Pool(), PrometheusSink()
    sink.count_content("kept", 3)
    sink.show_process(1, 0)
    pool.take(0, families_of(sink.registry))
    assert sorted(pool.render().splitlines()) == sorted(sink.render(1, 0).splitlines())
