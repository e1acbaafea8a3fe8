"""From LiteLLM's file to a gateway that serves: a caller of the openai SDK changes base_url and api_key, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from e2e.house import Gateway, House, Lab, free_port

CONFIG = """\
model_list:
  - model_name: assistant
    litellm_params: {{model: openai/lab-model, api_base: "{lab}/v1", api_key: os.environ/FREEHOLD_TEST_LAB_KEY}}
    model_info: {{input_cost_per_token: 0.0000025, output_cost_per_token: 1e-5}}
  - model_name: flaky
    litellm_params: {{model: openai/away-model, api_base: "{away}/v1", api_key: os.environ/FREEHOLD_TEST_LAB_KEY}}
    model_info: {{input_cost_per_token: 0.0000025, output_cost_per_token: 1e-5}}
litellm_settings: {{num_retries: 2, fallbacks: [{{flaky: [assistant]}}]}}
router_settings: {{model_group_alias: {{gpt-4: assistant}}}}
general_settings: {{master_key: sk-1234}}
"""
PHRASE = "the heron waits in the reeds"
SAYS: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": PHRASE}]


@pytest.fixture(scope="module")
def imported(house: House, provider: Lab) -> Iterator[tuple[Gateway, str]]:
    """A gateway over the imported file, and the key that the import showed."""
    folder = house.folder
    away = f"http://127.0.0.1:{free_port()}"
    (folder / "config.yaml").write_text(CONFIG.format(lab=provider.url, away=away), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREEHOLD_TEST_LAB_KEY", "any")
        told = _freehold(folder, "import", "litellm", "config.yaml", "--out", "converted.yaml", "--json")
        _freehold(folder, "check", "-c", "converted.yaml", "--json")
        config = yaml.safe_load((folder / "converted.yaml").read_text(encoding="utf-8"))
        yield house.gateway("from-litellm", config), told["key"]


@pytest.fixture
def client(imported: tuple[Gateway, str]) -> Iterator[OpenAI]:
    gateway, key = imported
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=key) as client:
        yield client


def _freehold(folder: Path, *words: str) -> Any:
    """What the command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "freehold", *words], cwd=folder, capture_output=True, check=True, stdin=subprocess.DEVNULL
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", ["assistant", "gpt-4"])
def test_a_whole_answer(client: OpenAI, imported: tuple[Gateway, str], model: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=SAYS, max_tokens=8)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    entry = imported[0].entry(raw.headers["x-request-id"])
    assert (entry["workload"], entry["key"], entry["data_class"]) == (model, "from-litellm", "public")
    paid = answer.usage.prompt_tokens * 2_500 + answer.usage.completion_tokens * 10_000
    assert entry["cost_nanousd"] == paid, "the file's price, in nano-dollars a token"


def test_a_stream(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="assistant", messages=SAYS, max_tokens=8, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_fallback(client: OpenAI, imported: tuple[Gateway, str]) -> None:
    raw = client.chat.completions.with_raw_response.create(model="flaky", messages=SAYS, max_tokens=8)
    assert raw.parse().choices[0].message.content
    attempts = imported[0].entry(raw.headers["x-request-id"])["attempts"]
    assert [(attempt["model"], attempt["outcome"]) for attempt in attempts] == [
        ("away-model", "unreachable"),
        ("lab-model", "finished"),
    ]


def test_the_log_is_json_lines_without_content(client: OpenAI, imported: tuple[Gateway, str]) -> None:
    client.chat.completions.create(model="flaky", messages=SAYS, max_tokens=8)
    lines = imported[0].log.read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert "serving" in {event["event"] for event in events}
    assert all({"event", "level", "timestamp"} <= event.keys() for event in events)
    assert PHRASE not in "".join(lines)
    assert imported[1] not in "".join(lines), "nor a caller's key"
