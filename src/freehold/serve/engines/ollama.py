"""Ollama: models from its own store, on a laptop or a box. Launched through its own command, which must be on the PATH."""

import shutil

from freehold.core.decision import Load
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import openai_codec
from freehold.wire.openai_chat import ENGINE


class Ollama:
    """OpenAI's dialects as Ollama speaks them. It loads a model at the first request that names it."""

    metrics_path = "metrics"

    def __init__(self) -> None:
        self.codec = openai_codec("engine", ("openai_completions", "openai_embeddings"), quirks=ENGINE)

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """`ollama serve`, one model at a time. BadSettings unless the model goes by its name in Ollama's store.

        `threads` is not used: Ollama chooses them.
        """
        if spec.model_path != spec.alias:
            raise BadSettings(
                f"model {spec.model_path}: Ollama serves what is in its own store under its name there; pull or create it with "
                "ollama, run `ollama serve`, and give its url to a target"
            )
        env = {
            "OLLAMA_HOST": f"{spec.host}:{spec.port}", "OLLAMA_NUM_PARALLEL": str(spec.parallel),
            "OLLAMA_CONTEXT_LENGTH": str(spec.context_tokens), "OLLAMA_MAX_LOADED_MODELS": "1",
        }  # fmt: skip
        url = f"http://{spec.host}:{spec.port}"
        return LaunchSpec(argv=("ollama", "serve"), url=url, ready_path="/api/version", env=env)

    def load(self, metrics_text: str) -> Load:
        """It reports none. ValueError: its declared concurrency is all that is known."""
        raise ValueError("Ollama reports no load; give the target a concurrency")

    def missing(self) -> str | None:
        """Its command."""
        return None if shutil.which("ollama") else "install Ollama (https://ollama.com)"
