"""SGLang: a server of an owned GPU, from the `sglang` wheel, run with the interpreter that runs us."""

import importlib.util
import sys

from freehold.core.decision import Load
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import openai_codec
from freehold.serve.engines.hub import split_revision
from freehold.serve.engines.load import LoadNames
from freehold.wire.anthropic_messages import CountTokens, Messages
from freehold.wire.openai_chat import ENGINE

_LOAD = LoadNames(running="sglang:num_running_reqs", waiting="sglang:num_queue_reqs", kv_usage=("sglang:token_usage",))


class Sglang:
    """OpenAI's dialects and Anthropic's, as SGLang documents them (docs.sglang.io, read 2026-11-21)."""

    metrics_path = "metrics"

    def __init__(self) -> None:
        self.codec = openai_codec(
            "engine",
            ("openai_completions", "openai_embeddings"),
            quirks=ENGINE,
            others={"anthropic_messages": Messages("engine"), "anthropic_count_tokens": CountTokens()},
        )

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """Its own launcher, its metrics switched on. `threads` is not used: SGLang sizes its own pools."""
        model, revision = split_revision(spec.model_path)
        options = {
            "--model-path": model, "--served-model-name": spec.alias, "--host": spec.host, "--port": spec.port,
            "--max-running-requests": spec.parallel, "--context-length": spec.context_tokens,
        }  # fmt: skip
        if revision is not None:
            options["--revision"] = revision
        flags = [text for name, value in options.items() for text in (name, str(value))]
        argv = (sys.executable, "-P", "-m", "sglang.launch_server", *flags, "--enable-metrics")
        return LaunchSpec(argv=argv, url=f"http://{spec.host}:{spec.port}", ready_path="/health")

    def load(self, metrics_text: str) -> Load:
        """Requests running and queued, KV cache use. ValueError where a count is missing."""
        return _LOAD.read(metrics_text, "SGLang, started with --enable-metrics")

    def missing(self) -> str | None:
        """Its wheel."""
        return None if importlib.util.find_spec("sglang") else "install SGLang on a GPU machine (https://docs.sglang.io)"
