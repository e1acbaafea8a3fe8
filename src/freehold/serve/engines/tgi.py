"""Text Generation Inference: Hugging Face's server. Launched through its own command, which must be on the PATH."""

import shutil

from freehold.core.decision import Load
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import openai_codec
from freehold.serve.engines.hub import split_revision
from freehold.serve.engines.load import LoadNames
from freehold.wire.openai_chat import ENGINE

# https://huggingface.co/docs/text-generation-inference/reference/metrics (read 2026-11-21); it tells no KV cache use.
_LOAD = LoadNames(running="tgi_batch_current_size", waiting="tgi_queue_size")


class Tgi:
    """OpenAI's chat and legacy completions. It answers to any model name."""

    metrics_path = "metrics"

    def __init__(self) -> None:
        self.codec = openai_codec("engine", ("openai_completions",), quirks=ENGINE)

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """`text-generation-launcher`. `alias`, `parallel` and `threads` are not used: it serves under any name and sizes its
        batches by memory."""
        model, revision = split_revision(spec.model_path)
        options = {
            "--model-id": model, "--hostname": spec.host, "--port": spec.port, "--max-total-tokens": spec.context_tokens,
            "--usage-stats": "off",
        }  # fmt: skip
        if revision is not None:
            options["--revision"] = revision
        flags = [text for name, value in options.items() for text in (name, str(value))]
        url = f"http://{spec.host}:{spec.port}"
        return LaunchSpec(argv=("text-generation-launcher", *flags), url=url, ready_path="/health")

    def load(self, metrics_text: str) -> Load:
        """Requests in the batch and in the queue. ValueError where either is missing."""
        return _LOAD.read(metrics_text, "TGI")

    def missing(self) -> str | None:
        """Its command."""
        found = shutil.which("text-generation-launcher")
        return None if found else "install TGI on a GPU machine (https://huggingface.co/docs/text-generation-inference)"
