"""`freehold lab`: stand-ins for a rented API and an owned engine, for demos, tests and drills."""

from collections.abc import Callable
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from freehold.app.cli.output import emit_json, notes
from freehold.lab.asgi import App
from freehold.lab.engine import EngineSettings, build_engine
from freehold.lab.provider import ProviderSettings, build_provider
from freehold.lab.server import run

app = cyclopts.App(name="lab", help="Stand-ins for a rented API and an owned engine. Everything they say is labelled lab.")

_DEFAULT_PROVIDER = ProviderSettings()
_DEFAULT_ENGINE = EngineSettings()


@app.command
def provider(
    *,
    host: str = "127.0.0.1",
    port: int = 8501,
    settings: Annotated[ProviderSettings, Parameter(name="*")] = _DEFAULT_PROVIDER,
    json: bool = False,
) -> int:
    """Stand in for a rented API: OpenAI's wire, at a set pace, with rate limits and faults on demand.

    Parameters
    ----------
    host
        Address to listen on.
    port
        Port to listen on; 0 takes a free one.
    json
        Print the URL as one JSON document once it listens.
    """
    return _serve(build_provider(settings), "provider", host, port, json)


@app.command
def engine(
    *,
    host: str = "127.0.0.1",
    port: int = 8601,
    settings: Annotated[EngineSettings, Parameter(name="*")] = _DEFAULT_ENGINE,
    json: bool = False,
) -> int:
    """Stand in for an owned GPU engine: the same wire behind slots and a queue, with vLLM's metrics.

    Parameters
    ----------
    host
        Address to listen on.
    port
        Port to listen on; 0 takes a free one.
    json
        Print the URL as one JSON document once it listens.
    """
    return _serve(build_engine(settings), "engine", host, port, json)


def _serve(service: App, kind: str, host: str, port: int, json: bool) -> int:
    try:
        run(service, host, port, _announcer(kind, json))
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how a person ends it
    return 0


def _announcer(kind: str, json: bool) -> Callable[[str], None]:
    def announce(url: str) -> None:
        if json:
            emit_json({"lab": kind, "url": url})
        else:
            notes.print(f"lab {kind} at {url} (tally: {url}/lab/tally); Ctrl-C ends it", highlight=False, soft_wrap=True)

    return announce
