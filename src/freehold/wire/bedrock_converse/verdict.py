"""What an error reply of Bedrock's means: by status and by the name of its exception.

The name stands in the header `x-amzn-errortype`, before a colon, or in the body's `__type`, behind a hash. A quota of the
account that is used up comes as 400, a model that took too long as 408, one that failed as 424, and credentials that are unknown,
expired or signed wrongly as 403. A guardrail that steps in is an answer with a reason, not an error.
"""

import re
from collections.abc import Mapping

import msgspec

from freehold.core.ports import Verdict
from freehold.wire.retry_after import retry_after_s

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_BUSY = frozenset({
    "ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException", "ModelNotReadyException",
    "ServiceUnavailableException",
})  # fmt: skip
_FAILED = frozenset({
    "ModelTimeoutException", "ModelErrorException", "ModelStreamErrorException", "InternalServerException",
})  # fmt: skip
_KEY = frozenset({
    "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId",
    "IncompleteSignatureException", "MissingAuthenticationTokenException", "SignatureDoesNotMatch",
})  # fmt: skip
_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


class _Body(msgspec.Struct):
    kind: str = msgspec.field(default="", name="__type")


_bodies = msgspec.json.Decoder(_Body)


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Whether another target may help, and how long to leave this one alone."""
    name = name_of(headers.get("x-amzn-errortype", "").partition(":")[0]) or name_of(_type_in(body))
    detail = f"{status} {name or 'no error code'}"
    wait = retry_after_s(headers)
    cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
    if status == 401 or name in _KEY:
        return Verdict(True, "rejected", detail, cool_s=10.0)
    if status == 402:
        return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
    if status in {429, 503, 529} or name in _BUSY:
        return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
    if status >= 500 or status in {408, 409, 424, 425} or 300 <= status < 400 or name in _FAILED:
        return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
    return Verdict(status in {403, 404, 413}, "rejected", detail)


def name_of(said: object) -> str:
    """The name of an exception, where it is one: its message may echo the prompt and is kept nowhere."""
    return said if isinstance(said, str) and _NAME.fullmatch(said) else ""


def _type_in(body: bytes) -> str:
    try:
        return _bodies.decode(body).kind.rpartition("#")[2]
    except (ValueError, RecursionError):
        return ""
