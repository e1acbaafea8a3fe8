"""What the generations of Claude take and what not, by the version in a model's name.

Read on 2026-11-21. Anthropic's page on extended thinking: up to 4.5 a model thinks within a budget of tokens, 4.6 takes both
ways, later ones only an effort; AWS lists Sonnet 3.7 as the first that thinks. Its page on structured outputs names no model
before 4.5. Users report 4.5 to reject temperature beside top_p, and 4.7 and later to reject sampling values that are not usual.
"""

import re

import msgspec

_VERSION = re.compile(r"claude-(?:[a-z]+-)?([0-9]{1,2})(?:[.-]([0-9]{1,2}))?(?![0-9])")


class Generation(msgspec.Struct, frozen=True):
    """What one model takes. A name without a version is taken to be new in how it thinks, and is refused nothing else."""

    by_budget: bool = True
    by_effort: bool = True
    sampling: bool = True
    both_samplings: bool = True
    schemas: bool = True


def generation(model: str) -> Generation:
    """By `claude-sonnet-4-5-20250929`, `claude-3-7-sonnet-latest` or `anthropic/claude-opus-4.6`, a prefix before it or not."""
    found = _VERSION.search(model)
    if found is None:
        return Generation()
    version = (int(found[1]), int(found[2] or 0))
    return Generation(
        by_budget=(3, 7) <= version <= (4, 6), by_effort=version >= (4, 6), sampling=version < (4, 7),
        both_samplings=version < (4, 5), schemas=version >= (4, 5),
    )  # fmt: skip
