"""What the models behind Converse take and what not, by the maker in a model's id.

Claude is said what Anthropic's own page says its generation takes. By AWS's API reference and its page on prompt caching, as of
2026-11-21: cache points and failed results are for Claude and Nova, and Claude keeps a cache for an hour from 4.5 on. An id that
names no maker, such as that of an application's inference profile, is taken to be of neither.
"""

import re

import msgspec

from freehold.wire.anthropic_messages.models import Generation, generation

DIALECT = "bedrock_converse"
# A foundation model or a region's profile of one, alone or at the end of an ARN: us.anthropic.claude-opus-4-6-v1.
_MAKER = re.compile(r"(?:.*/)?(?:[a-z]{2,8}[.])?(anthropic[.]claude|amazon[.]nova)-")


class Family(msgspec.Struct, frozen=True):
    """What one model takes. `claude`: None where it is none; `marks`: cache points, and that a result is a failure."""

    claude: Generation | None = None
    marks: bool = False

    @property
    def hour_marks(self) -> bool:
        """Whether a cache point may say how long it lives; Claude's schemas begin with the same generation."""
        return self.claude is not None and self.claude.schemas


def family(model: str) -> Family:
    """By `anthropic.claude-sonnet-4-5-20250929-v1:0`, `eu.amazon.nova-pro-v1:0` or an ARN that ends in such an id."""
    found = _MAKER.match(model)
    if found is None:
        return Family()
    return Family(generation(model) if found[1] == "anthropic.claude" else None, marks=True)
