"""llama.cpp's own server: on a laptop or a CPU box, from the `xllamacpp` wheel, as a child process of ours."""

import importlib.util
import sys

import msgspec

from freehold.core.decision import Load
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import Adapted, openai_codec
from freehold.serve.engines.load import LoadNames
from freehold.wire.anthropic_messages import CountTokens, Messages
from freehold.wire.openai_chat import ENGINE
from freehold.wire.openai_responses import Responses

_LOAD = LoadNames(running="llamacpp:requests_processing", waiting="llamacpp:requests_deferred")
# It promises keep-alive after a stream and then closes: the next call on that connection would break.
_CLOSE = {"connection": "close"}


class LlamaCpp:
    """OpenAI's dialects and Anthropic's as llama.cpp speaks them, all asked of its server in xllamacpp 2026.10.11549.

    It answers to any model name, and with `n` above 1 its usage counts the output of one choice only. Embeddings it refuses with
    501 unless it was started for them, as ours is not. In Messages and in Responses it takes a schema and does not follow it, and
    the events of a streamed response do not say which part of it they belong to.
    """

    metrics_path = "metrics"

    def __init__(self) -> None:
        self.codec = openai_codec(
            "engine",
            ("openai_completions", "openai_embeddings"),
            quirks=msgspec.structs.replace(ENGINE, counts_one_choice=True),
            headers=_CLOSE,
            others={
                "openai_responses": Responses("engine", _CLOSE, ENGINE, lacks={"formats", "streams"}),
                "anthropic_messages": Adapted(Messages("engine", schemas=False), headers=_CLOSE),
                "anthropic_count_tokens": CountTokens(),
            },
        )

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
        return _LOAD.read(metrics_text, "llama.cpp, started with --metrics")

    def missing(self) -> str | None:
        """The wheel that brings the server."""
        return None if importlib.util.find_spec("xllamacpp") else "install freehold[llamacpp]"
