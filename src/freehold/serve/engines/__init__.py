"""Owned engines, a file each: the codec that speaks to it, the command that launches it, the reading of its load."""

from collections.abc import Mapping
from typing import Protocol

from freehold.core.ports import Engine
from freehold.serve.engines.llamacpp import LlamaCpp
from freehold.serve.engines.ollama import Ollama
from freehold.serve.engines.sglang import Sglang
from freehold.serve.engines.tensorrt_llm import TensorRtLlm
from freehold.serve.engines.tgi import Tgi
from freehold.serve.engines.vllm import Vllm


class LocalEngine(Engine, Protocol):
    """An engine that can also say whether this machine could launch it."""

    def missing(self) -> str | None:
        """What to install before `launch` can work here; None where nothing is missing."""
        ...


ENGINES: Mapping[str, LocalEngine] = {
    "llamacpp": LlamaCpp(), "vllm": Vllm(), "sglang": Sglang(), "tgi": Tgi(), "tensorrt_llm": TensorRtLlm(), "ollama": Ollama(),
}  # fmt: skip
