"""The admin plane, on loopback and behind its own key: live state, ledger views as JSON, and the dashboard that reads them."""

import hmac
import secrets
import time
from importlib import resources
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from freehold.app.signals import Watcher
from freehold.app.spending import Spending, recent_entries, spending
from freehold.app.verdicts import violations
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import credential, digest
from freehold.serve.gateway.house import Gateway
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.sqlite_reader import SqliteReader

_COOKIE = "freehold_admin"
_MAX_ROWS = 1000
_MAX_FORM_BYTES = 4096
_LONG_S = 0.1
_REST = 10


class Admin:
    """Handlers over the running gateway and its ledger."""

    def __init__(self, gateway: Gateway, watcher: Watcher, ledger: LedgerPlace, key_sha256: str) -> None:
        self._gateway = gateway
        self._watcher = watcher
        self._ledger = ledger
        self._key = key_sha256
        self._session = secrets.token_urlsafe(32)
        self._spent: tuple[float, Spending] | None = None
        self._page = resources.files("freehold.app").joinpath("dashboard.html").read_text(encoding="utf-8")
        self._login = resources.files("freehold.app").joinpath("login.html").read_text(encoding="utf-8")

    async def dashboard(self, request: Request) -> Response:
        """`/`: the dashboard, or the form that asks for the admin key."""
        return HTMLResponse(self._page if self._known(request) else self._login)

    async def login(self, request: Request) -> Response:
        """`POST /login`: a right key becomes a session cookie."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                return _problem(413, f"a form of more than {_MAX_FORM_BYTES} bytes")
        if not self._right(parse_qs(body.decode("latin-1")).get("key", [""])[0]):
            return HTMLResponse(self._login.replace("<!--problem-->", "That is not the admin key."), 401)
        reply = RedirectResponse("/", 303)
        reply.set_cookie(_COOKIE, self._session, httponly=True, samesite="strict")
        return reply

    async def summary(self, request: Request) -> Response:
        """`/admin/summary`: totals and every cost by workload and target, live state of each target, the owned machines and how
        busy they were, constraint violations (none, ever)."""
        if not self._known(request):
            return _problem(401, "the admin key is needed: 'Authorization: Bearer <key>'")
        return _json(await run_in_threadpool(self._summary))

    async def entries(self, request: Request) -> Response:
        """`/admin/entries?limit=50`: the newest ledger entries."""
        if not self._known(request):
            return _problem(401, "the admin key is needed: 'Authorization: Bearer <key>'")
        limit = request.query_params.get("limit", "50")
        if not limit.isdecimal() or not 1 <= int(limit) <= _MAX_ROWS:
            return _problem(400, f"limit is {limit!r}; use 1 to {_MAX_ROWS}")
        return _json(await run_in_threadpool(recent_entries, self._ledger, int(limit)))

    async def signals(self, request: Request) -> Response:
        """`/admin/signals`: the signals of the build threshold as they were last judged."""
        if not self._known(request):
            return _problem(401, "the admin key is needed: 'Authorization: Bearer <key>'")
        return _json(self._watcher.last)

    def _summary(self) -> dict[str, object]:
        reader, spent, policy = SqliteReader(self._ledger), self._spending(), self._gateway.policy
        states = self._gateway.board.states(tuple(policy.targets))
        targets = [
            {
                "name": t.name, "kind": t.kind, "model": t.model, "clearance": t.clearance.name, "lab": t.lab,
                "in_flight": states[t.name].in_flight, "concurrency": t.concurrency, "cooling_s": states[t.name].cooling_s,
            }
            for t in policy.targets.values()
        ]  # fmt: skip
        return {
            "policy": policy.version, "in_flight": self._gateway.in_flight, "targets": targets, "slices": spent.slices,
            "machines": spent.machines, "violations": violations(reader.seen(), policy.targets),
        }  # fmt: skip

    def _spending(self) -> Spending:
        """A long ledger takes long to sum: then the sums are used again for a while, so that an open dashboard costs little."""
        began = time.monotonic()
        if self._spent is not None and began < self._spent[0]:
            return self._spent[1]
        spent = spending(self._ledger)
        took = time.monotonic() - began
        self._spent = (began + (_REST * took if took > _LONG_S else 0.0), spent)
        return spent

    def _known(self, request: Request) -> bool:
        given = credential(request.headers)
        if given is not None:
            return self._right(given)
        return hmac.compare_digest(request.cookies.get(_COOKIE, "").encode(), self._session.encode())

    def _right(self, key: str) -> bool:
        return hmac.compare_digest(digest(key), self._key)


def admin_app(gateway: Gateway, watcher: Watcher, ledger: LedgerPlace, key_sha256: str) -> Starlette:
    """The ASGI application. A Host that is not loopback is refused, so that no web page can reach it by rebinding a name."""
    admin = Admin(gateway, watcher, ledger, key_sha256)
    routes = [
        Route("/", admin.dashboard),
        Route("/login", admin.login, methods=["POST"]),
        Route("/admin/summary", admin.summary),
        Route("/admin/entries", admin.entries),
        Route("/admin/signals", admin.signals),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts], exception_handlers={BadSettings: _unreadable})


async def _unreadable(request: Request, error: Exception) -> Response:
    return _problem(503, str(error))


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _problem(status: int, detail: str) -> Response:
    """RFC 9457."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "detail": detail})
    return Response(body, status, media_type="application/problem+json")
