"""`freehold serve`: the gateway, until it is told to stop."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import structlog
import uvloop
from cyclopts import App, Parameter

from freehold.app import config_file, server
from freehold.app.cli.output import notes
from freehold.app.ledgers import configured_ledger
from freehold.app.logs import configure_logs
from freehold.app.workers import MOST_WORKERS, run_workers
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest, new_key

app = App(name="serve", help="Run the gateway until SIGTERM or Ctrl-C.")
_log = structlog.get_logger("freehold.serve")


@app.default
def serve(
    *, config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"), json: bool = False, workers: int = 1
) -> int:  # fmt: skip
    """Serve `/v1` on the data port, the dashboard and admin API on the admin port.

    Parameters
    ----------
    config
        The configuration file.
    json
        Log as JSON lines on a terminal too; elsewhere that is how it logs.
    workers
        Processes that share the data port and the ledger. One serves what one core can; docs/guides/operate.md has the rest.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise BadSettings(f"--workers is {workers}; use 1 to {MOST_WORKERS}")
    as_json = json or not sys.stderr.isatty()
    configure_logs(as_json=as_json)
    file = config_file.load(config)
    admin, ledger = file.settings.admin, configured_ledger(file)
    bootstrap = None if admin.key_sha256 else new_key()

    def ready() -> None:
        if as_json:
            where = {"url": f"http://{file.settings.listen}/v1", "dashboard": f"http://{admin.listen}/", "ledger": str(ledger)}
            _log.info("serving", **where, workers=workers)
            if bootstrap:
                _log.warning("no admin.key_sha256 is set; this key opens the admin plane for this run", admin_key=bootstrap)
            return
        notes.print(f"Freehold serves http://{file.settings.listen}/v1", soft_wrap=True)
        notes.print(f"Dashboard http://{admin.listen}/  ledger {ledger}", soft_wrap=True)
        if bootstrap:
            notes.print(f"Admin key, shown once, for this run only: {bootstrap}", soft_wrap=True)

    admin_sha256 = admin.key_sha256 or digest(bootstrap or "")
    if workers > 1:
        return asyncio.run(run_workers(file, admin_sha256, workers, ready, as_json=as_json))
    uvloop.run(server.run(file, admin_sha256, ready))
    return 0
