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


def test_what_hangs_on_a_trace_goes_where_it_may() -> None:
    sent = Trace.joined(GIVEN, "vendor=1", "user=ann").child()
    assert sent.headers(baggage=True) == {"traceparent": sent.header(), "tracestate": "vendor=1", "baggage": "user=ann"}
    assert sent.headers(baggage=False) == {"traceparent": sent.header(), "tracestate": "vendor=1"}


def test_a_state_ends_with_the_trace_it_belongs_to() -> None:
    assert Trace.joined(GIVEN[:-1], "vendor=1", "user=ann").headers(baggage=True).keys() == {"traceparent", "baggage"}


@pytest.mark.parametrize("header", ["", "line\r\nx-more: 1", "\x00", "\u00e9", "x" * 8193])
def test_what_is_no_header_of_that_kind_is_not_sent_on(header: str) -> None:
    assert Trace.joined(GIVEN, header, header).headers(baggage=True).keys() == {"traceparent"}


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_whether_it_is_to_be_recorded(flags: str, sampled: bool) -> None:
    assert Trace.joined(GIVEN[:-2] + flags).sampled is sampled
