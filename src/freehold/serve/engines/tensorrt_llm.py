"""TensorRT-LLM: NVIDIA's server. Launched through its own command, `trtllm-serve`, which must be on the PATH."""

import shutil

from freehold.core.decision import Load
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec, LaunchSpec
from freehold.serve.codecs import openai_codec
from freehold.serve.engines.hub import split_revision
from freehold.serve.engines.load import LoadNames
from freehold.wire.openai_chat import ENGINE

# As the Gateway API Inference Extension's model server protocol lists them. They stand at /prometheus/metrics, and only where the
# server was started with `return_perf_metrics`; its /metrics is JSON of another kind.
_LOAD = LoadNames(
    running="trtllm_num_requests_running", waiting="trtllm_num_requests_waiting", kv_usage=("trtllm_kv_cache_utilization",)
)


class TensorRtLlm:
    """OpenAI's chat and legacy completions."""

    metrics_path = "prometheus/metrics"

    def __init__(self) -> None:
        self.codec = openai_codec("engine", ("openai_completions",), quirks=ENGINE)

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """`trtllm-serve` under the model's own name. BadSettings for a revision, which its command is not known to take.

        `alias` and `threads` are not used.
        """
        model, revision = split_revision(spec.model_path)
        if revision is not None:
            raise BadSettings(f"model {spec.model_path}: trtllm-serve is given no revision here; download it and give its path")
        options = {
            "--host": spec.host, "--port": spec.port, "--max_batch_size": spec.parallel, "--max_seq_len": spec.context_tokens,
        }  # fmt: skip
        flags = [text for name, value in options.items() for text in (name, str(value))]
        url = f"http://{spec.host}:{spec.port}"
        return LaunchSpec(argv=("trtllm-serve", model, *flags), url=url, ready_path="/health")

    def load(self, metrics_text: str) -> Load:
        """Requests running and queued, KV cache use. ValueError where a count is missing."""
        return _LOAD.read(metrics_text, "TensorRT-LLM's /prometheus/metrics")

    def missing(self) -> str | None:
        """Its command."""
        found = shutil.which("trtllm-serve")
        return None if found else "install TensorRT-LLM on an NVIDIA machine (https://nvidia.github.io/TensorRT-LLM)"
