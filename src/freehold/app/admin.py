"""The admin plane, on loopback and behind its own key: live state, ledger views as JSON, and the dashboard that reads them."""

import time
from functools import partial
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

from freehold.app.admin_door import COOKIE, AdminDoor, problem
from freehold.app.budget_states import budget_states
from freehold.app.crew import Live, Whole
from freehold.app.handled import handled, kind_labels
from freehold.app.migration_view import standings
from freehold.app.rested import Rested
from freehold.app.signals import Watcher
from freehold.app.spending import recent_entries, spending
from freehold.app.verdicts import judged
from freehold.core.decision import TargetState
from freehold.core.errors import BadSettings, LedgerUnavailable, Saturated
from freehold.serve.gateway.house import Gateway
from freehold.serve.stores.place import LedgerPlace

_MAX_ROWS = 1000
_MAX_FORM_BYTES = 4096


class Admin:
    """Handlers over the running gateway and its ledger."""

    def __init__(self, gateway: Gateway, watcher: Watcher, whole: Whole, ledger: LedgerPlace, key_sha256: str) -> None:
        self._gateway = gateway
        self._watcher = watcher
        self._whole = whole
        self._ledger = ledger
        self.door = AdminDoor(gateway, key_sha256)
        self._spent = Rested(partial(spending, ledger))
        self._judged = Rested(partial(judged, ledger))
        self._handled = Rested(partial(handled, ledger, kind_labels()))
        self._migrations = Rested(partial(standings, ledger))
        self._page = resources.files("freehold.app").joinpath("dashboard.html").read_text(encoding="utf-8")
        self._login = resources.files("freehold.app").joinpath("login.html").read_text(encoding="utf-8")

    async def dashboard(self, request: Request) -> Response:
        """`/`: the dashboard, or the form that asks for the admin key."""
        return HTMLResponse(self._login if self.door.role(request) is None else self._page)

    async def login(self, request: Request) -> Response:
        """`POST /login`: a right key becomes a session cookie."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                return problem(413, f"a form of more than {_MAX_FORM_BYTES} bytes")
        cookie = self.door.begin(parse_qs(body.decode("latin-1")).get("key", [""])[0])
        if cookie is None:
            return HTMLResponse(self._login.replace("<!--problem-->", "That is not the admin key."), 401)
        reply = RedirectResponse("/", 303)
        reply.set_cookie(COOKIE, cookie, httponly=True, samesite="strict")
        return reply

    async def summary(self, request: Request) -> Response:
        """`/admin/summary`: totals and every cost by workload and target, live state of each target, the owned machines and how
        busy they were, constraint violations (none, ever), how many attempts cannot be judged, and the workers."""
        try:
            live = await self._whole.live()
        except Saturated as error:
            return problem(503, error.message)
        return _json(await run_in_threadpool(self._summary, live))

    async def entries(self, request: Request) -> Response:
        """`/admin/entries?limit=50`: the newest ledger entries."""
        limit = request.query_params.get("limit", "50")
        if not limit.isdecimal() or not 1 <= int(limit) <= _MAX_ROWS:
            return problem(400, f"limit is {limit!r}; use 1 to {_MAX_ROWS}")
        return _json(await run_in_threadpool(recent_entries, self._ledger, int(limit)))

    async def handled(self, request: Request) -> Response:
        """`/admin/handled`: sensitive values found, by kind, targets that constraints removed, and refusals, over the ledger."""
        return _json(await run_in_threadpool(self._handled.read))

    async def migrations(self, request: Request) -> Response:
        """`/admin/migrations`: where every migration stands, with its evidence, cost and expected finish, oldest first."""
        return _json(await run_in_threadpool(self._migrations.read))

    async def config(self, request: Request) -> Response:
        """`/admin/config`: the version in force, since when, how often files were taken and refused, and the last refusal."""
        return _json(self._whole.loaded)

    async def signals(self, request: Request) -> Response:
        """`/admin/signals`: the signals of the build threshold as they were last judged."""
        return _json(self._watcher.last)

    async def reload(self, request: Request) -> Response:
        """`POST /admin/reload`: read the configuration again, as SIGHUP does; `/admin/config` has the outcome."""
        self._whole.reload()
        return Response(status_code=202)

    async def budgets(self, request: Request) -> Response:
        """`/admin/budgets`: every account of the running day and month: its limit, what is spent, reserved and left."""
        try:
            return _json(await run_in_threadpool(budget_states, self._gateway.policy.budgets, self._ledger, time.time()))
        except LedgerUnavailable as error:
            return problem(503, error.message)

    def _summary(self, live: Live) -> dict[str, object]:
        spent, found, policy = self._spent.read(), self._judged.read(), self._gateway.policy
        states = {name: live.targets.get(name, TargetState()) for name in policy.targets}
        targets = [
            {
                "name": t.name, "kind": t.kind, "model": t.model, "clearance": t.clearance.name, "lab": t.lab,
                "in_flight": states[t.name].in_flight, "concurrency": t.concurrency, "cooling_s": states[t.name].cooling_s,
                "breaker": states[t.name].phase, "open_s": states[t.name].open_s, "failures": states[t.name].failures,
                "probing": states[t.name].probing, "share": states[t.name].share, "asked_s": states[t.name].asked_s,
                "quota_s": states[t.name].quota_s,
            }
            for t in policy.targets.values()
        ]  # fmt: skip
        return {
            "policy": policy.version, "in_flight": live.in_flight, "targets": targets, "slices": spent.slices,
            "machines": spent.machines, "violations": found.violations, "unproven": found.unproven,
            "workers": live.workers,
        }  # fmt: skip


def admin_app(gateway: Gateway, watcher: Watcher, whole: Whole, ledger: LedgerPlace, key_sha256: str) -> Starlette:
    """The ASGI application. A Host that is not loopback is refused, so that no web page can reach it by rebinding a name."""
    admin = Admin(gateway, watcher, whole, ledger, key_sha256)
    viewer, operator = partial(admin.door.needs, "viewer"), partial(admin.door.needs, "operator")
    routes = [
        Route("/", admin.dashboard),
        Route("/login", admin.login, methods=["POST"]),
        Route("/admin/summary", viewer(admin.summary)),
        Route("/admin/entries", viewer(admin.entries)),
        Route("/admin/handled", viewer(admin.handled)),
        Route("/admin/migrations", viewer(admin.migrations)),
        Route("/admin/signals", viewer(admin.signals)),
        Route("/admin/config", viewer(admin.config)),
        Route("/admin/budgets", viewer(admin.budgets)),
        Route("/admin/reload", operator(admin.reload), methods=["POST"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts], exception_handlers={BadSettings: _unreadable})


async def _unreadable(request: Request, error: Exception) -> Response:
    return problem(503, str(error))


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
