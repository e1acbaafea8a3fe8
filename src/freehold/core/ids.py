"""Request ids: time-ordered, so that they sort as they happened, and unguessable, so that they can be handed out."""

import secrets


def request_id(unix_s: float) -> str:
    """`fh-` + 12 hex digits of milliseconds + 20 random ones."""
    return f"fh-{int(unix_s * 1000):012x}{secrets.token_hex(10)}"
