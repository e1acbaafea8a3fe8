"""The health of targets as Prometheus series."""

from freehold.core.decision import TargetState
from freehold.serve.sinks.prometheus import PrometheusSink


def test_the_state_of_every_target_is_shown_and_that_of_others_gone() -> None:
    metrics = PrometheusSink()
    metrics.show_targets({"gone": TargetState()})
    metrics.show_targets(
        {
            "well": TargetState(),
            "open": TargetState(phase="open", open_s=3, failures=5),
            "half": TargetState(phase="half_open", failures=5),
            "back": TargetState(share=0.4),
            "busy": TargetState(cooling_s=2, asked_s=2, quota_s=1.5),
        }
    )
    lines = metrics.render(0, 0).decode().splitlines()
    expected: dict[str, dict[str, float]] = {
        "target_up": {"well": 1, "open": 0, "half": 1, "back": 1, "busy": 0},
        "breaker_state": {"well": 0, "open": 2, "half": 1, "back": 0, "busy": 0},
        "target_share_ratio": {"well": 1, "open": 1, "half": 1, "back": 0.4, "busy": 1},
        "target_quota_wait_seconds": {"well": 0, "open": 0, "half": 0, "back": 0, "busy": 1.5},
    }
    for series, values in expected.items():
        shown = {line for line in lines if line.startswith(f"freehold_{series}{{")}
        assert shown == {f'freehold_{series}{{target="{name}"}} {float(value)}' for name, value in values.items()}
