"""Who may do what on the admin plane: the configured admin key everything, other keys what their role says."""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import FreeholdError
from freehold.serve.access.keys import ROLES, Role, credential, digest
from freehold.serve.gateway.house import Gateway

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

COOKIE = "freehold_admin"
_MOST_SESSIONS = 1000


class AdminDoor:
    """A session is a random cookie that stands for the key it began with: it ends when that key does."""

    def __init__(self, gateway: Gateway, key_sha256: str) -> None:
        self._gateway = gateway
        self._key = key_sha256
        self._sessions: dict[str, str] = {}

    def begin(self, key: str) -> str | None:
        """A new session's cookie; None where the key opens nothing here."""
        if self.opens(key) is None:
            return None
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        cookie = secrets.token_urlsafe(32)
        self._sessions[digest(cookie)] = digest(key)
        return cookie

    def opens(self, key: str) -> Role | None:
        """Of a key as it is shown; None: it opens nothing here."""
        return self._role_of(digest(key))

    def role(self, request: Request) -> Role | None:
        """Of the key in the headers or behind the cookie; None: it opens nothing here."""
        given = credential(request.headers)
        seen = self._sessions.get(digest(request.cookies.get(COOKIE, ""))) if given is None else digest(given)
        return None if seen is None else self._role_of(seen)

    def needs(self, role: Role, handler: Handler) -> Handler:
        """The handler, for whoever has that role or more."""

        async def guarded(request: Request) -> Response:
            has = self.role(request)
            if has is None:
                return problem(401, "the admin key is needed: 'Authorization: Bearer <key>'")
            if ROLES.index(has) < ROLES.index(role):
                return problem(403, f"this key's role is {has}, and {role} is needed")
            return await handler(request)

        return guarded

    def _role_of(self, seen: str) -> Role | None:
        if hmac.compare_digest(seen, self._key):
            return "admin"
        try:
            return self._gateway.admission.role(seen, self._gateway.policy.keys, self._gateway.clock.now())
        except FreeholdError:  # expired, revoked, or not to be checked now
            return None


def problem(status: int, detail: str) -> Response:
    """RFC 9457."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "detail": detail})
    return Response(body, status, media_type="application/problem+json")
