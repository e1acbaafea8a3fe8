"""What an error reply of Replicate's means. Its body is `{"title", "detail", "status"}`, in words only: none of them are kept.

402 is an account without credit; 422 an input that the model does not take. A prediction that fails after it began comes with
status 200 and is told apart where it is read.
"""

from collections.abc import Mapping

from freehold.core.ports import Verdict
from freehold.wire.retry_after import retry_after_s

_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Whether another target may help, and how long to leave this one alone."""
    detail = f"{status} no error code"
    wait = retry_after_s(headers)
    cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
    if status == 402:
        return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
    if status in {429, 503, 529}:
        return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
    if status >= 500 or status in {408, 409, 425} or 300 <= status < 400:
        return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
    if status == 401:
        return Verdict(True, "rejected", detail, cool_s=10.0)
    return Verdict(status in {403, 404, 413}, "rejected", detail)
