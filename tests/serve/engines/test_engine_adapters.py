"""What each engine is launched with and how its load is read. The metrics below are trimmed from what the engines print."""

import sys
from collections.abc import Mapping

import pytest

from freehold.core.decision import Load
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
    ],
)
def test_load_is_read(engine: str, text: str, load: Load) -> None:
    assert ENGINES[engine].load(text) == load


@pytest.mark.parametrize(
    ("engine", "text", "name"), [("llamacpp", VLLM, "requests_processing"), ("vllm", LLAMACPP, "num_requests_running")]
)
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


def test_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert "vLLM" in (ENGINES["vllm"].missing() or "")
    assert "freehold[llamacpp]" in (ENGINES["llamacpp"].missing() or "")
