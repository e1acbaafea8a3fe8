"""Whether a section of freehold.yaml takes what another gateway's file says: the settings themselves are asked."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from freehold.app.section import Section


def fits(section: type[Section], fields: Mapping[str, Any]) -> bool:
    """Whether the section is valid with these values; a flag is no number."""
    if any(isinstance(value, bool) for value in fields.values()):
        return False
    try:
        section.model_validate(fields)
    except ValidationError:
        return False
    return True
