"""What an error reply of Anthropic's means: by status, type and `details.error_code`.

Money that ran out comes as 402, as 429 with the code of a spending limit (and no retry-after), or, from older versions, as 400
with words about the credit balance. 529 is a whole service under load. A refusal is an answer with a stop reason, not an error.
"""

import re
from collections.abc import Mapping

import msgspec

from freehold.core.ports import Verdict
from freehold.wire.retry_after import retry_after_s

_ERROR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|[0-9]{3}")
_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


class _Details(msgspec.Struct):
    error_code: str | None = None


class _Error(msgspec.Struct):
    type: str | None = None
    details: _Details | None = None


class _Body(msgspec.Struct):
    error: _Error | None = None


_bodies = msgspec.json.Decoder(_Body)


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Whether another target may help, and how long to leave this one alone."""
    names = error_names(body)
    detail = f"{status} {' '.join(names) or 'no error code'}"
    wait = retry_after_s(headers)
    cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
    if _is_money(status, names, body):
        return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
    if status in {429, 503, 529} or "overloaded_error" in names:
        return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
    if status == 501:  # it has no such feature, and is well: callers must not be able to cool it down for others
        return Verdict(True, "rejected", detail)
    if status >= 500 or status in {408, 409, 425} or 300 <= status < 400:
        return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
    if status == 401:
        return Verdict(True, "rejected", detail, cool_s=10.0)
    return Verdict(status in {403, 404, 413}, "rejected", detail)  # 413: what one takes at most, another may exceed


def error_names(body: bytes) -> list[str]:
    """The error's type and code: names only. Its message may echo the prompt and is kept nowhere."""
    try:
        error = _bodies.decode(body).error
    except (ValueError, RecursionError):
        return []
    if error is None:
        return []
    named = (error.type, error.details.error_code if error.details else None)
    return [name for name in named if name and _ERROR_NAME.fullmatch(name)]


def _is_money(status: int, names: list[str], body: bytes) -> bool:
    if status == 402 or "billing_error" in names:
        return True
    if status == 429:
        return any(name.endswith("spend_limit_reached") for name in names)
    return status == 400 and b"credit balance is too low" in body
