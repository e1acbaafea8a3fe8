"""A target's own words about usage, as far as they are counts: what it adds beyond numbers and known words is not kept."""

import re
from typing import Any

import msgspec

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_WORDED = frozenset("service_tier speed inference_geo modality trafficType type traffic_type".split())
_MOST_DEPTH = 6


def plain_usage(raw: str) -> str | None:
    """Its numbers by name, as JSON; None where it is no object. Words stay only under the few names that have them."""
    try:
        value = msgspec.json.decode(raw)
    except ValueError:
        return None  # cut off, or not JSON at all
    return msgspec.json.encode(_plain(value, _MOST_DEPTH)).decode() if isinstance(value, dict) else None


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, dict) and depth:
        kept = ((name, _plain_at(name, item, depth - 1)) for name, item in value.items() if _NAME.fullmatch(name))
        return {name: item for name, item in kept if item is not None}
    if isinstance(value, list) and depth:
        return [item for item in (_plain(item, depth - 1) for item in value) if item is not None]
    return value if isinstance(value, int | float) else None


def _plain_at(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if name in _WORDED and _WORD.fullmatch(value) else None
    return _plain(value, depth)
