"""What each engine is launched with and how its load is read. The metrics below are trimmed from what the engines print."""

import sys
from collections.abc import Mapping

import msgspec
import pytest

from freehold.core.decision import Load
from freehold.core.errors import BadSettings
from freehold.core.ports import EngineSpec
from freehold.serve.engines import ENGINES

# llama.cpp as in xllamacpp 2026.10.11549.
LLAMACPP = """\
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 4
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 36
llamacpp:n_busy_slots_per_decode 3.9
"""
# vLLM's names as its documentation of 0.32 lists them; two data-parallel engines.
VLLM = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="org/m"} 20.0
vllm:num_requests_running{engine="1",model_name="org/m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="org/m"} 7.0
vllm:num_requests_waiting{engine="1",model_name="org/m"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="org/m",reason="capacity"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="org/m"} 0.9
vllm:kv_cache_usage_perc{engine="1",model_name="org/m"} 0.1
"""
# As SGLang's, TGI's and the Gateway API Inference Extension's pages name them, 2026-11-21.
SGLANG = """\
sglang:num_running_reqs{model_name="m",tp_rank="0"} 12.0
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 3.0
sglang:token_usage{model_name="m",tp_rank="0"} 0.25
"""
TENSORRT_LLM = """\
trtllm_num_requests_running{model_name="m"} 8.0
trtllm_num_requests_waiting{model_name="m"} 2.0
trtllm_kv_cache_utilization{model_name="m"} 0.5
"""
TGI = """\
# TYPE tgi_batch_current_size gauge
tgi_batch_current_size 6
tgi_queue_size 1
"""
SPEC = EngineSpec(model_path="/models/m.gguf", alias="m", port=8603, parallel=3, context_tokens=512, threads=2)


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


@pytest.mark.parametrize(
    ("engine", "text", "load"),
    [
        ("llamacpp", LLAMACPP, Load(4, 36)),
        ("vllm", VLLM, Load(24, 7, 0.5)),
        ("vllm", VLLM.replace("kv_cache", "gpu_cache"), Load(24, 7, 0.5)),
        ("vllm", VLLM.replace("vllm:kv_cache", "vllm:some_cache"), Load(24, 7, None)),
        ("vllm", VLLM.replace("} 0.9", "} NaN"), Load(24, 7, 0.1)),
        ("sglang", SGLANG, Load(12, 3, 0.25)),
        ("tensorrt_llm", TENSORRT_LLM, Load(8, 2, 0.5)),
        ("tgi", TGI, Load(6, 1)),
    ],
)
def test_load_is_read(engine: str, text: str, load: Load) -> None:
    assert ENGINES[engine].load(text) == load


@pytest.mark.parametrize(
    ("engine", "text", "name"),
    [
        ("llamacpp", VLLM, "requests_processing"), ("vllm", LLAMACPP, "num_requests_running"),
        ("sglang", VLLM, "num_running_reqs"), ("tgi", SGLANG, "tgi_batch_current_size"),
        ("tensorrt_llm", "[]", "trtllm_num_requests_running"), ("ollama", VLLM, "Ollama reports no load"),
    ],
)  # fmt: skip
def test_load_of_another_engine_is_refused_by_name(engine: str, text: str, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ENGINES[engine].load(text)


def test_llamacpp_launch() -> None:
    launch = ENGINES["llamacpp"].launch(SPEC)
    assert launch.argv[:4] == (sys.executable, "-P", "-m", "freehold.serve.engines.llamacpp_server")
    assert {"--model=/models/m.gguf", "--alias=m", "--port=8603", "--parallel=3", "--context=512", "--threads=2"} < set(
        launch.argv
    )
    assert (launch.url, launch.ready_path) == ("http://127.0.0.1:8603", "/health")


@pytest.mark.parametrize(
    ("model", "served", "revision"),
    [
        ("org/name@" + "a" * 40, "org/name", "a" * 40),
        ("org/name", "org/name", None),
        ("/models/at@home/m", "/models/at@home/m", None),
    ],
)
def test_vllm_launch_pins_the_revision_everywhere(model: str, served: str, revision: str | None) -> None:
    launch = ENGINES["vllm"].launch(EngineSpec(model_path=model, alias="m", port=8000, parallel=64, context_tokens=8192))
    assert launch.argv[:3] == ("vllm", "serve", served)
    assert option(launch.argv, "--served-model-name") == "m"
    assert option(launch.argv, "--max-num-seqs") == "64"
    assert option(launch.argv, "--max-model-len") == "8192"
    assert option(launch.argv, "--host") == "127.0.0.1"
    pinned = [
        option(launch.argv, name) for name in ("--revision", "--tokenizer-revision", "--code-revision") if name in launch.argv
    ]
    assert pinned == ([] if revision is None else [revision] * 3)
    telemetry: Mapping[str, str] = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    assert launch.env == telemetry


REVISION = "a" * 40


def test_sglang_launch() -> None:
    launch = ENGINES["sglang"].launch(msgspec.structs.replace(SPEC, model_path=f"org/name@{REVISION}"))
    assert launch.argv[:4] == (sys.executable, "-P", "-m", "sglang.launch_server")
    assert (option(launch.argv, "--model-path"), option(launch.argv, "--revision")) == ("org/name", REVISION)
    assert (option(launch.argv, "--served-model-name"), option(launch.argv, "--max-running-requests")) == ("m", "3")
    assert (option(launch.argv, "--context-length"), launch.argv[-1]) == ("512", "--enable-metrics")
    assert "--revision" not in ENGINES["sglang"].launch(SPEC).argv


def test_tgi_launch() -> None:
    launch = ENGINES["tgi"].launch(msgspec.structs.replace(SPEC, model_path=f"org/name@{REVISION}"))
    assert (launch.argv[0], option(launch.argv, "--model-id")) == ("text-generation-launcher", "org/name")
    assert (option(launch.argv, "--revision"), option(launch.argv, "--usage-stats")) == (REVISION, "off")
    assert (option(launch.argv, "--hostname"), option(launch.argv, "--max-total-tokens")) == ("127.0.0.1", "512")


def test_tensorrt_llm_launch() -> None:
    launch = ENGINES["tensorrt_llm"].launch(SPEC)
    assert launch.argv[:2] == ("trtllm-serve", "/models/m.gguf")
    assert (option(launch.argv, "--max_batch_size"), option(launch.argv, "--max_seq_len")) == ("3", "512")
    with pytest.raises(BadSettings, match="no revision"):
        ENGINES["tensorrt_llm"].launch(msgspec.structs.replace(SPEC, model_path=f"org/name@{REVISION}"))


def test_ollama_launch() -> None:
    launch = ENGINES["ollama"].launch(msgspec.structs.replace(SPEC, model_path="llama3.2:1b", alias="llama3.2:1b"))
    assert (launch.argv, launch.url, launch.ready_path) == (("ollama", "serve"), "http://127.0.0.1:8603", "/api/version")
    assert launch.env == {
        "OLLAMA_HOST": "127.0.0.1:8603", "OLLAMA_NUM_PARALLEL": "3", "OLLAMA_CONTEXT_LENGTH": "512",
        "OLLAMA_MAX_LOADED_MODELS": "1",
    }  # fmt: skip
    with pytest.raises(BadSettings, match="its own store"):
        ENGINES["ollama"].launch(SPEC)


NATIVES = {
    "vllm": {"openai_completions", "openai_responses", "openai_embeddings", "anthropic_messages"},
    "llamacpp": {"openai_completions", "openai_responses", "openai_embeddings", "anthropic_messages", "anthropic_count_tokens"},
    "sglang": {"openai_completions", "openai_embeddings", "anthropic_messages", "anthropic_count_tokens"},
    "tgi": {"openai_completions"},
    "tensorrt_llm": {"openai_completions"},
    "ollama": {"openai_completions", "openai_embeddings"},
}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_an_engine_takes_as_it_comes(engine: str) -> None:
    codec = ENGINES[engine].codec
    assert codec.natives.keys() >= {"openai_chat"} | NATIVES[engine]
    assert codec.composer is not None


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert "vLLM" in (ENGINES["vllm"].missing() or "")
    monkeypatch.setitem(sys.modules, "sglang", None)
    assert "freehold[llamacpp]" in (ENGINES["llamacpp"].missing() or "")
    assert all("install" in (engine.missing() or "") for engine in ENGINES.values())
