"""Request ids: time-ordered, so that they sort as they happened, and unguessable, so that they can be handed out."""

from os import urandom


def request_id(unix_s: float) -> str:
    """`fh-` + 12 hex digits of milliseconds + 20 random ones."""
    return f"fh-{int(unix_s * 1000):012x}{urandom(10).hex()}"
