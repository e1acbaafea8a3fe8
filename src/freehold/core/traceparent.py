"""W3C trace context: the id that ties a request here to what happens before and behind it. https://www.w3.org/TR/trace-context/"""

import re
import secrets

import msgspec

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Trace(msgspec.Struct, frozen=True):
    """`trace_id` 32 and `span_id` 16 hex digits; `parent_id` the caller's span, None where the trace begins here."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = "01"

    @classmethod
    def joined(cls, header: str | None) -> "Trace":
        """The caller's trace with a span of ours; a new one where it sent none, or none that is valid."""
        found = _FORM.fullmatch(header) if header else None
        if found is None or found[1] == "ff" or int(found[2], 16) == 0 or int(found[3], 16) == 0:
            return cls(secrets.token_hex(16), secrets.token_hex(8))
        return cls(found[2], secrets.token_hex(8), found[3], found[4])

    def child(self) -> "Trace":
        """A span below this one."""
        return Trace(self.trace_id, secrets.token_hex(8), self.span_id, self.flags)

    def header(self) -> str:
        """As it is sent on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"
