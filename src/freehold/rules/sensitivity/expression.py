"""One RE2 expression as the scanner asks it: where it matches next in bytes, as plain numbers.

It calls the compiled expression under the module's `search`, which makes a generator and a match object for each answer: those
take longer than the search itself.
"""

from typing import Any

import re2

from freehold.core.errors import BadSettings

_UNANCHORED = re2._re2.RE2.Anchor.UNANCHORED
_BOTH = re2._re2.RE2.Anchor.ANCHOR_BOTH
_NOWHERE = (-1, -1)


class Expression:
    """A compiled pattern; its first group, where it has one, marks the value."""

    __slots__ = ("_group", "_match", "groups")

    def __init__(self, pattern: str, where: str) -> None:
        """Raises BadSettings with `where` and RE2's own words."""
        options = re2.Options()
        options.log_errors = False
        try:
            compiled: Any = re2.compile(pattern, options)
        except re2.error as error:
            problem = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
            raise BadSettings(f"{where}: {pattern!r} is not an RE2 expression: {problem}") from None
        self.groups: int = compiled.groups
        self._group = min(self.groups, 1)
        self._match = compiled._regexp.Match

    def find(self, data: bytes, at: int, end: int) -> tuple[int, int, int, int] | None:
        """The next match that begins at `at` or later and ends by `end`: its own place, then its value's. None without one."""
        if at > end:
            return None
        spans = self._match(_UNANCHORED, data, at, end)
        return None if spans[0] == _NOWHERE else (*spans[0], *spans[self._group])

    def occurs(self, data: bytes, at: int, end: int) -> bool:
        """Whether it matches anywhere from `at` to `end`."""
        return at <= end and self._match(_UNANCHORED, data, at, end)[0] != _NOWHERE

    def is_whole(self, data: bytes) -> bool:
        """Whether it matches these bytes from end to end."""
        return bool(self._match(_BOTH, data, 0, len(data))[0] != _NOWHERE)
