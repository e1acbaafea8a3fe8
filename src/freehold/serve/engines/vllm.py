"""vLLM: the usual server of an owned GPU. Launched through its own command, which must be on the PATH."""

import shutil

from freehold.core.decision import Load
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import openai_codec
from freehold.serve.engines.hub import split_revision
from freehold.serve.engines.load import LoadNames
from freehold.wire.anthropic_messages import Messages
from freehold.wire.openai_chat import ENGINE
from freehold.wire.openai_responses import Responses

_LOAD = LoadNames(
    running="vllm:num_requests_running",
    waiting="vllm:num_requests_waiting",
    kv_usage=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),  # the second: its name before V1
)


class Vllm:
    """OpenAI's dialects and Anthropic's Messages as vLLM speaks them; a model name it does not serve is a 404."""

    metrics_path = "metrics"

    def __init__(self) -> None:
        self.codec = openai_codec(
            "engine",
            ("openai_completions", "openai_embeddings"),
            quirks=ENGINE,
            others={"openai_responses": Responses("engine", quirks=ENGINE), "anthropic_messages": Messages("engine")},
        )

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """`vllm serve`, with weights, tokenizer and code all held to the one revision the model id names.

        `threads` is not used: vLLM sizes its own pools.
        """
        model, revision = split_revision(spec.model_path)
        options = {
            "--served-model-name": spec.alias, "--host": spec.host, "--port": spec.port,
            "--max-num-seqs": spec.parallel, "--max-model-len": spec.context_tokens,
        }  # fmt: skip
        if revision is not None:
            options |= dict.fromkeys(("--revision", "--tokenizer-revision", "--code-revision"), revision)
        flags = [text for name, value in options.items() for text in (name, str(value))]
        # Usage statistics are on unless switched off: https://docs.vllm.ai/en/latest/usage/usage_stats/ (read 2026-11-21).
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        url = f"http://{spec.host}:{spec.port}"
        return LaunchSpec(argv=("vllm", "serve", model, *flags), url=url, ready_path="/health", env=quiet)

    def load(self, metrics_text: str) -> Load:
        """Requests running and queued over all its engines, KV cache use as their mean. ValueError where a count is missing."""
        return _LOAD.read(metrics_text, "vLLM")

    def missing(self) -> str | None:
        """Its command."""
        return None if shutil.which("vllm") else "install vLLM on a GPU machine (https://docs.vllm.ai)"
