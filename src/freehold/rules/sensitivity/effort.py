"""How many near-misses one scan looks at: a bound on what a text made to be slow can cost.

A near-miss fits a pattern and fails its check. Ordinary text has few of them for its length; where a text has more, the search
ends and what it did not read counts as found, so that the bound lets nothing through.
"""

_LEAST = 1000  # for any text: a short one costs little whatever it holds
_BYTES_EACH = 16  # the densest table of numbers has one near-miss in about seventeen bytes


class Effort:
    """What is left of the near-misses of one scan of so many bytes."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = _LEAST + size // _BYTES_EACH
