"""The child process of an owned llama.cpp engine: its own HTTP server, until SIGTERM or until its supervisor is gone.

Run as `python -m freehold.serve.engines.llamacpp_server --model=... --port=...`. It downloads nothing and reports to no one.
Exit code 2, after one line on stderr, means that starting it again will not help.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.core.errors import BadSettings
from freehold.serve.engines.gguf import check_gguf
from freehold.serve.engines.ports import refuse_taken_port

if TYPE_CHECKING:
    from xllamacpp import CommonParams

SUPERVISOR_PID = "FREEHOLD_SUPERVISOR_PID"
_ERRORS = 1  # of llama.cpp's levels; from 2 on it writes lines for every request


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop. 0 when it was, 2 when it could not start."""
    options = _parse(argv)
    try:
        server = _start(options)
    except BadSettings as error:
        _say(error.message)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _say(f"{options.alias} at {server.listening_address}")
    supervisor = int(os.environ.get(SUPERVISOR_PID, "0"))
    while not stop.wait(0.5):
        if supervisor and os.getppid() != supervisor:
            break  # an engine nobody watches would hold memory and port for good
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"llamacpp: {line}\n")
    sys.stderr.flush()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llamacpp_server", description="llama.cpp's own server, as a child process.")
    parser.add_argument("--model", type=Path, required=True, help="a .gguf file")
    parser.add_argument("--alias", required=True, help="the model's name in answers and in /v1/models")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=4, help="requests worked on at once; the rest queue")
    parser.add_argument("--context", type=int, default=2048, help="tokens of prompt and answer, for each of them")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)


def _start(options: argparse.Namespace) -> Any:
    """A listening server. BadSettings where the wheel, the weights or the port are not to be had."""
    try:
        import xllamacpp  # noqa: PLC0415  an optional extra
    except ImportError:
        raise BadSettings("llama.cpp is not installed; install freehold[llamacpp]") from None
    check_gguf(options.model)
    refuse_taken_port(options.host, options.port)
    try:
        return xllamacpp.Server(_params(xllamacpp.CommonParams(), options))
    except RuntimeError as error:
        raise BadSettings(f"llama.cpp cannot serve {options.model}: {error} The lines above say why.") from None


def _params(params: "CommonParams", options: argparse.Namespace) -> "CommonParams":
    params.model.path = str(options.model)
    params.model_alias = {options.alias}
    params.offline = True
    params.hostnames, params.port = [options.host], options.port
    params.n_parallel, params.n_ctx = options.parallel, options.context * options.parallel
    # Idle worker threads spin: with two on a busy machine of two cores, 1-3 tokens/s in place of hundreds.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    # The host prompt cache forgets which adapter filled it: answers of one LoRA leak into the next request.
    params.cache_ram_mib, params.cache_idle_slots = 0, False
    params.endpoint_metrics, params.endpoint_slots, params.use_jinja = True, True, True
    params.warmup, params.verbosity = False, _ERRORS
    # Its default lets any web page a person has open read from this port; and the page it serves itself is not ours.
    params.ui, params.cors_origins, params.cors_origins_explicit, params.cors_credentials = False, "", True, False
    return params


if __name__ == "__main__":
    sys.exit(main())
