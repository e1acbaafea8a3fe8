"""The names in an error body of OpenAI's shape. Its message may echo the prompt and is kept nowhere."""

import re

import msgspec

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|[0-9]{3}")


def error_codes(body: bytes) -> set[str]:
    """The error's code and type, as far as they are names."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return set()
    error = value.get("error", value) if isinstance(value, dict) else None
    named = (str(error.get(name) or "") for name in ("code", "type")) if isinstance(error, dict) else ()
    return {name for name in named if _NAME.fullmatch(name)}


def error_name(body: bytes) -> str:
    """The same in one line."""
    return " ".join(sorted(error_codes(body))) or "no error code"
