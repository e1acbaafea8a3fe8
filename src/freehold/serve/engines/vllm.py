"""vLLM: the usual server of an owned GPU. Launched through its own command, which must be on the PATH."""

import re
import shutil
from statistics import fmean

from freehold.core.decision import Load
from freehold.core.ports import Codec, EngineSpec, LaunchSpec
from freehold.serve.engines.exposition import read_series
from freehold.wire.openai_chat import OpenAiChat

_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_KV_USAGE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")  # the second: its name before V1
_HUB_ID = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)", re.ASCII)


class Vllm:
    """OpenAI's dialect as vLLM speaks it; a model name it does not serve is a 404."""

    def __init__(self) -> None:
        chat = OpenAiChat(usage_source="engine")
        self.codec = Codec(natives={"openai_chat": chat}, composer=None, verdict=chat.verdict)

    def launch(self, spec: EngineSpec) -> LaunchSpec:
        """`vllm serve`, with weights, tokenizer and code all held to the one revision the model id names.

        `threads` is not used: vLLM sizes its own pools.
        """
        model, revision = spec.model_path, None
        if pinned := _HUB_ID.fullmatch(spec.model_path):
            model, revision = pinned["name"], pinned["revision"]
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
        series = read_series(metrics_text, {_RUNNING, _WAITING, *_KV_USAGE})
        try:
            running, waiting = round(sum(series[_RUNNING])), round(sum(series[_WAITING]))
        except KeyError as name:
            raise ValueError(f"no {name} in its metrics; is this vLLM?") from None
        usage = next((series[name] for name in _KV_USAGE if name in series), None)
        return Load(running=running, waiting=waiting, kv_usage=None if usage is None else fmean(usage))

    def missing(self) -> str | None:
        """Its command."""
        return None if shutil.which("vllm") else "install vLLM on a GPU machine (https://docs.vllm.ai)"
