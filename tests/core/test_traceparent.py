"""W3C trace context: joined where it is valid, begun where it is not."""

import pytest

from freehold.core.traceparent import Trace

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the example of the W3C recommendation


def test_a_callers_trace_is_joined_and_handed_on() -> None:
    ours = Trace.joined(GIVEN)
    assert (ours.trace_id, ours.parent_id, ours.flags) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01")
    there = ours.child()
    assert (there.trace_id, there.parent_id) == (ours.trace_id, ours.span_id)
    assert Trace.joined(there.header()).parent_id == there.span_id


@pytest.mark.parametrize(
    "header",
    [
        None, "", "x", GIVEN[:-1], GIVEN.upper(), "ff" + GIVEN[2:], GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        GIVEN.replace("00f067aa0ba902b7", "0" * 16),
    ],
)  # fmt: skip
def test_what_is_no_trace_begins_a_new_one(header: str | None) -> None:
    begun, other = Trace.joined(header), Trace.joined(header)
    assert begun.parent_id is None
    assert begun.trace_id != other.trace_id
    assert len(begun.header()) == len(GIVEN)
