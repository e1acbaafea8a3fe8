"""Everything that can go wrong, once.

FreeholdError                 status  code                    retry
├── BadSettings               -       bad_settings            no     configuration or command input; exit code 2
├── BadRequest                400     invalid_request         no
│   ├── TooLarge              413     request_too_large       no
│   └── TooSlow               408     request_timeout         no     the body did not arrive in time
├── CallerGone                499     cancelled               no     nobody is left to answer
├── Unauthenticated           401     invalid_api_key         no     no key, or one that is unknown, expired or revoked
├── Forbidden                 403     forbidden               no     the key's scope does not reach this
├── NotFound                  404     model_not_found         no
├── NoTargetAllowed           403     no_target_allowed       no     constraints removed every target
├── ContentBlocked            403     content_blocked         no     the content holds what a rule forbids to send anywhere
├── RateLimited               429     rate_limit_exceeded     maybe  too many requests or tokens in this minute, or at once
├── BudgetSpent               429     insufficient_quota      no     the budget has less left than this request may cost
├── LedgerUnavailable         503     ledger_unavailable      yes    money fails closed
├── Saturated                 503     saturated               yes    a bound of this process was reached
├── UpstreamRefused           4xx     (the target's own)      no     relayed as the target said it
├── TargetsExhausted          502     targets_exhausted       maybe  every allowed target failed before a content token
└── StreamBroken              502     stream_broken           no     the answer broke off after its first content token
"""

from collections.abc import Sequence

from freehold.core.window import Window


class FreeholdError(Exception):
    """Base of the tree. `status` is HTTP's, `code` is stable for machines, `retry` says whether trying again can help."""

    status = 500
    code = "internal_error"
    kind = "api_error"
    retry = False

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class BadSettings(FreeholdError):
    """Configuration, or the input of a command, that cannot be used. The message is the one line people see."""

    code = "bad_settings"


class BadRequest(FreeholdError):
    status, code, kind = 400, "invalid_request", "invalid_request_error"


class TooLarge(BadRequest):
    status, code = 413, "request_too_large"


class TooSlow(BadRequest):
    status, code = 408, "request_timeout"


class CallerGone(FreeholdError):
    status, code = 499, "cancelled"


class Unauthenticated(FreeholdError):
    status, code, kind = 401, "invalid_api_key", "authentication_error"


class Forbidden(FreeholdError):
    status, code, kind = 403, "forbidden", "permission_error"


class NotFound(FreeholdError):
    status, code, kind = 404, "model_not_found", "invalid_request_error"


class NoTargetAllowed(FreeholdError):
    status, code, kind = 403, "no_target_allowed", "permission_error"


class ContentBlocked(FreeholdError):
    status, code, kind = 403, "content_blocked", "permission_error"


class RateLimited(FreeholdError):
    """Of a limit for a `scope`; `kind` is what was too many. `windows` say what is left, as of `at` (Unix seconds)."""

    status, code = 429, "rate_limit_exceeded"
    windows: Sequence[Window] = ()
    at = 0.0

    def __init__(self, message: str, *, scope: str, kind: str, retry_after_s: float | None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.scope = scope
        self.kind = kind
        self.retry = retry_after_s is not None


class BudgetSpent(FreeholdError):
    """Of a budget for a `scope`."""

    status, code, kind = 429, "insufficient_quota", "insufficient_quota"

    def __init__(self, message: str, *, scope: str) -> None:
        super().__init__(message)
        self.scope = scope


class LedgerUnavailable(FreeholdError):
    status, code, retry = 503, "ledger_unavailable", True


class Saturated(FreeholdError):
    status, code, retry = 503, "saturated", True


class UpstreamRefused(FreeholdError):
    """The target answered with an error that no other target would mend; `body` is relayed as it came."""

    code, kind = "upstream_refused", "invalid_request_error"

    def __init__(self, message: str, *, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class TargetsExhausted(FreeholdError):
    status, code, kind = 502, "targets_exhausted", "upstream_error"

    def __init__(self, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status
        self.retry = retry_after_s is not None


class StreamBroken(FreeholdError):
    status, code, kind = 502, "stream_broken", "upstream_error"
