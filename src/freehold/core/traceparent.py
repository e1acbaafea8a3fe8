"""W3C trace context: the id that ties a request here to what happens before and behind it. https://www.w3.org/TR/trace-context/"""

import re
from os import urandom

import msgspec

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LISTED = re.compile(r"[\x20-\x7e\t]{1,8192}")  # a header's text, as long as one may be that has others beside it


class Trace(msgspec.Struct, frozen=True):
    """`trace_id` 32 and `span_id` 16 hex digits; `parent_id` the caller's span, None where the trace begins here.

    `state` is the caller's tracestate and `baggage` its baggage, as they came; None where there was none that is valid.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = "01"
    state: str | None = None
    baggage: str | None = None

    @classmethod
    def joined(cls, header: str | None, state: str | None = None, baggage: str | None = None) -> "Trace":
        """The caller's trace with a span of ours; a new one where it sent none, or none that is valid (then its state, which
        belongs to that trace, ends here)."""
        given = _listed(baggage)
        found = _FORM.fullmatch(header) if header else None
        if found is None or found[1] == "ff" or int(found[2], 16) == 0 or int(found[3], 16) == 0:
            drawn = urandom(24).hex()
            return cls(drawn[:32], drawn[32:], baggage=given)
        return cls(found[2], urandom(8).hex(), found[3], found[4], _listed(state), given)

    @property
    def sampled(self) -> bool:
        """Whether who began the trace wants it recorded."""
        return bool(int(self.flags, 16) & 1)

    def child(self) -> "Trace":
        """A span below this one."""
        return msgspec.structs.replace(self, span_id=urandom(8).hex(), parent_id=self.span_id)

    def header(self) -> str:
        """As it is sent on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def headers(self, *, baggage: bool) -> dict[str, str]:
        """All that is sent on; the baggage, which may hold anything, only where it is to go there."""
        sent = {"traceparent": self.header(), "tracestate": self.state, "baggage": self.baggage if baggage else None}
        return {name: value for name, value in sent.items() if value}


def _listed(header: str | None) -> str | None:
    return header if header and _LISTED.fullmatch(header) else None
