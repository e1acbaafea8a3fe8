"""llama.cpp's own server: on a laptop or a CPU box, from the `xllamacpp` wheel, as a child process of ours."""

import importlib.util
import sys

from freehold.core.decision import Load
from freehold.core.ports import Codec, EngineSpec, LaunchSpec
from freehold.serve.engines.exposition import read_series
from freehold.wire.openai_chat import OpenAiChat

_RUNNING = "llamacpp:requests_processing"
_WAITING = "llamacpp:requests_deferred"


class LlamaCpp:
    """OpenAI's dialect as llama.cpp speaks it.

    It answers to any model name, and with `n` above 1 its usage counts the output of one choice only.
    """

    def __init__(self) -> None:
        # It promises keep-alive after a stream and then closes: the next call on that connection would break.
        chat = OpenAiChat(usage_source="engine", headers={"connection": "close"})
        self.codec = Codec(natives={"openai_chat": chat}, composer=None, verdict=chat.verdict)

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """Our own child (`llamacpp_server`) with the interpreter that runs us."""
        arguments = {
            "--model": spec.model_path, "--alias": spec.alias, "--host": spec.host, "--port": spec.port,
            "--parallel": spec.parallel, "--context": spec.context_tokens, "--threads": spec.threads,
        }  # fmt: skip
        options = [f"{name}={value}" for name, value in arguments.items()]
        # -P keeps the working directory off the import path: a file there must not stand in for a library.
        argv = (sys.executable, "-P", "-m", "freehold.serve.engines.llamacpp_server", *options)
        return LaunchSpec(argv=argv, url=f"http://{spec.host}:{spec.port}", ready_path="/health")

    def load(self, metrics_text: str) -> Load:
        """Slots at work and requests queued for one. It reports no KV cache use. ValueError where either is missing."""
        series = read_series(metrics_text, {_RUNNING, _WAITING})
        try:
            return Load(running=round(sum(series[_RUNNING])), waiting=round(sum(series[_WAITING])))
        except KeyError as name:
            raise ValueError(f"no {name} in its metrics; is this llama.cpp, started with --metrics?") from None

    def missing(self) -> str | None:
        """The wheel that brings the server."""
        return None if importlib.util.find_spec("xllamacpp") else "install freehold[llamacpp]"
