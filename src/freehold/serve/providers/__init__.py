"""Hosted APIs. Adding one is one file: a module here with its `PROVIDERS`, or a row in `compatible.py` where it speaks as OpenAI.

The modules of this package are the table; none is named anywhere else.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from freehold.serve.providers.provider import Provider


def find_providers() -> Mapping[str, Provider]:
    """Every module's providers. Two of one name are a mistake in this package, and it does not start."""
    found: dict[str, Provider] = {}
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        rows: Mapping[str, Provider] = getattr(importlib.import_module(f"{__name__}.{module}"), "PROVIDERS", {})
        assert not found.keys() & rows.keys(), f"two providers are named {sorted(found.keys() & rows.keys())}"
        found.update(rows)
    return found


PROVIDERS: Mapping[str, Provider] = find_providers()
__all__ = ["PROVIDERS", "Provider", "find_providers"]
