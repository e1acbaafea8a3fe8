"""`freehold engines`: run an owned engine under supervision, say which ones there are, read the load of one."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aiohttp
import msgspec
from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.app.engines import EngineFailed, Patience, supervised
from freehold.app.weights import BUNDLED, model_alias, resolve_model, sha256_of
from freehold.core.decision import Load
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.engines import ENGINES, LocalEngine

app = App(name="engines", help="Owned engines: run one, list them, read the load of one.")

_TINY = (
    "tiny-tickets is 34,976 parameters that know support tickets in eight labels and nothing else: "
    "real serving, not a useful model."
)


@dataclass(frozen=True)
class Shape:
    """How the engine is cut."""

    parallel: int = 4
    """Requests worked on at once; more than that queue inside the engine."""
    context: int = 2048
    """Tokens of prompt and answer together, for each request."""
    threads: int = 1
    """CPU threads (llama.cpp). More helps large models on idle cores, and hurts on busy ones."""
    ready_timeout_s: float = 120.0
    """Seconds the engine may take to load before it is given up."""
    log: Path | None = None
    """Append the engine's own lines to this file, in place of stderr."""


class Announcement(msgspec.Struct, frozen=True):
    """What `run` says once the engine answers. `sha256` is None where the engine fetches the weights itself."""

    engine: str
    url: str
    model: str
    weights: str
    sha256: str | None
    pid: int | None


_DEFAULT_SHAPE = Shape()


@app.command
def run(
    model: str = "tiny-tickets",
    /,
    *,
    engine: str = "llamacpp",
    port: int = 8603,
    shape: Annotated[Shape, Parameter(name="*")] = _DEFAULT_SHAPE,
    json: bool = False,
) -> int:
    """Serve a model on 127.0.0.1 until Ctrl-C or SIGTERM; start it again when it crashes.

    Parameters
    ----------
    model
        tiny-tickets (bundled), a .gguf file, or a hub id: org/name[:file.gguf][@revision].
    engine
        One that `freehold engines` can launch: llamacpp, vllm, sglang, tgi, tensorrt_llm.
    port
        Port to serve on.
    json
        Print what is served as one JSON document once it answers.
    """
    chosen = _engine(engine)
    if missing := chosen.missing():
        raise BadSettings(f"{engine} is not installed here; {missing}")
    _check(port, shape)
    weights, sha256 = _weights(engine, model)
    spec = EngineSpec(
        model_path=weights, alias=model_alias(model), port=port,
        parallel=shape.parallel, context_tokens=shape.context, threads=shape.threads,
    )  # fmt: skip
    said = Announcement(engine, f"http://{spec.host}:{port}", spec.alias, weights, sha256, None)
    try:
        with _lines_to(shape.log, spec.alias) as log:
            return asyncio.run(_supervise(chosen.launch(spec), said, Patience(ready_s=shape.ready_timeout_s), log, json))
    except EngineFailed as failure:
        notes.print(f"freehold: {failure.message}", highlight=False, markup=False, soft_wrap=True)
        return 1


@app.command(name="list")
def list_engines(*, json: bool = False) -> int:
    """Say which engines Freehold can speak to, and which of them this machine could launch.

    Parameters
    ----------
    json
        Print as one JSON document.
    """
    missing = {name: engine.missing() for name, engine in ENGINES.items()}
    if json:
        emit_json([{"engine": name, "installed": hint is None, "install": hint} for name, hint in missing.items()])
        return 0
    table = Table("engine", "launch here", "how to get it")
    for name, hint in missing.items():
        table.add_row(name, "no" if hint else "yes", escape(hint or ""))
    out.print(table)
    return 0


@app.command
def load(url: str, /, *, engine: str = "vllm", json: bool = False) -> int:
    """Read once how busy an engine says it is, from its /metrics.

    Parameters
    ----------
    url
        Where it answers, such as http://127.0.0.1:8603.
    engine
        One that `freehold engines` can launch: llamacpp, vllm, sglang, tgi, tensorrt_llm.
    json
        Print as one JSON document.
    """
    chosen = _engine(engine)
    if not url.startswith(("http://", "https://")):
        raise BadSettings(f"url is {url!r}; write it with its scheme, such as http://127.0.0.1:8603")
    try:
        reading = chosen.load(asyncio.run(_metrics(url.rstrip("/"))))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        notes.print(f"freehold: no load from {url}: {error or 'timed out'}", highlight=False, markup=False, soft_wrap=True)
        return 1
    if json:
        emit_json(reading)
    else:
        out.print(_load_table(reading))
    return 0


def _engine(name: str) -> LocalEngine:
    if name not in ENGINES:
        raise BadSettings(f"engine is {name!r}; use one of {', '.join(ENGINES)}")
    return ENGINES[name]


def _check(port: int, shape: Shape) -> None:
    if not 1 <= port <= 65535:
        raise BadSettings(f"--port is {port}; use 1 to 65535")
    for name in ("parallel", "context", "threads"):
        if (value := getattr(shape, name)) < 1:
            raise BadSettings(f"--{name} is {value}; use 1 or more")


def _weights(engine: str, model: str) -> tuple[str, str | None]:
    """What to hand to the engine, and its SHA-256 where it is a file we hold."""
    if engine == "llamacpp":
        path = resolve_model(model)
        return str(path), sha256_of(path)
    if model in BUNDLED:
        raise BadSettings(f"model {model} is a GGUF for llamacpp; give {engine} a hub id, org/name@revision, or a folder")
    return model, None


@contextmanager
def _lines_to(file: Path | None, name: str) -> Iterator[Callable[[str], None]]:
    """What takes a line of the engine's log: a file as it is, or stderr with the engine's name before it."""
    if file is None:
        yield lambda line: notes.print(f"[{name}] {line}", highlight=False, markup=False, soft_wrap=True)
        return
    try:
        sink = file.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise BadSettings(f"--log {file} cannot be written: {error.strerror}") from None
    with sink:
        yield lambda line: print(line, file=sink)


async def _supervise(launch: LaunchSpec, said: Announcement, patience: Patience, log: Callable[[str], None], json: bool) -> int:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with supervised(launch, log=log, patience=patience) as running:
            _announce(msgspec.structs.replace(said, pid=running.pid), json)
            await running.wait()
    except asyncio.CancelledError:
        return 0  # told to stop: how it is meant to end
    return 1


def _announce(said: Announcement, json: bool) -> None:
    if json:
        emit_json(said)
        return
    notes.print(f"{said.model} on {said.engine} answers at {said.url}/v1; Ctrl-C ends it", highlight=False, soft_wrap=True)
    digest = f"  sha256:{said.sha256}" if said.sha256 else ""  # as the settings of its target take it
    notes.print(f"weights {said.weights}{digest}", highlight=False, markup=False, soft_wrap=True)
    if said.model in BUNDLED:
        notes.print(_TINY, highlight=False, soft_wrap=True)


async def _metrics(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=5.0)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(f"{url}/metrics") as reply:
        return await reply.text(errors="replace")


def _load_table(reading: Load) -> Table:
    table = Table("running", "waiting", "KV cache used")
    usage = "not reported" if reading.kv_usage is None else f"{reading.kv_usage:.0%}"
    table.add_row(str(reading.running), str(reading.waiting), usage)
    return table
