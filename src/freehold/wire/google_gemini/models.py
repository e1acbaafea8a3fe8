"""What the generations of Gemini take and what not, by the version in a model's name.

By Google's Gemini 3 guide and its pages on thinking, structured output and thought signatures, as of 2026-11-21: 2.5 thinks
within a budget of tokens, 3 and later by a level; JSON Schema for answers from 2.5 on, beside tools from 3 on; 3 and later reject
a call in the history whose step lacks its signature, and take media in what a tool gave back.
"""

import re

import msgspec

DIALECT = "google_gemini"
_VERSION = re.compile(r"gemini-(?:[a-z]+-)*([0-9]{1,2})(?:[.]([0-9]{1,2}))?(?![0-9])")


class Generation(msgspec.Struct, frozen=True):
    """What one model takes. A name without a version is taken to be of the newest generation."""

    by_level: bool = True
    by_budget: bool = True
    pro: bool = False
    flash: bool = False
    schemas: bool = True
    schema_beside_tools: bool = True
    wants_signatures: bool = True
    media_in_results: bool = True


def generation(model: str) -> Generation:
    """By `gemini-2.5-flash-lite`, `models/gemini-3-pro-preview` or `gemini-flash-latest`."""
    pro, flash = "pro" in model, "flash" in model
    found = _VERSION.search(model)
    if found is None:
        return Generation(pro=pro, flash=flash)
    version = (int(found[1]), int(found[2] or 0))
    third = version >= (3, 0)
    return Generation(
        by_level=third, by_budget=version >= (2, 5), pro=pro, flash=flash, schemas=version >= (2, 5),
        schema_beside_tools=third, wants_signatures=third, media_in_results=third,
    )  # fmt: skip
