"""`freehold engines` as a person and as a program call it: exit codes, one line for bad input, one document for --json."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "freehold", "engines")


def engines(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*COMMAND, *arguments), capture_output=True, text=True, timeout=30, check=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def test_list_knows_what_is_here() -> None:
    listed = {row["engine"]: row for row in json.loads(engines("list", "--json").stdout)}
    assert listed.keys() == {"llamacpp", "vllm", "sglang", "tgi", "tensorrt_llm", "ollama"}
    assert all(row["installed"] == (row["install"] is None) for row in listed.values())
    table = engines("list").stdout
    assert all(name in table for name in listed)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--engine=mlx"), "engine is 'mlx'; use one of llamacpp, vllm"),
        (("run", "--port=0"), "--port is 0; use 1 to 65535"),
        (("run", "--parallel=0"), "--parallel is 0; use 1 or more"),
        (("run", "llama"), "model 'llama' is unknown"),
        (("run", "/absent/m.gguf"), "/absent/m.gguf does not exist"),
        (("run", "--log=/absent/log"), "--log /absent/log cannot be written"),
        (("load", "127.0.0.1:1"), "write it with its scheme"),
        (("load", "http://127.0.0.1:1", "--engine=mlx"), "engine is 'mlx'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], says: str) -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    done = engines(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith("freehold: ")
    assert says in done.stderr


def test_a_taken_port_is_one_line_and_exit_2() -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = engines("run", f"--port={taken.getsockname()[1]}", "--json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "choose another with --port" in done.stderr


def test_nobody_there_is_exit_1() -> None:
    done = engines("load", f"http://127.0.0.1:{free_port()}", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no load from http://127.0.0.1:" in done.stderr


def test_run_tells_a_person_what_it_serves_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    log, port = tmp_path / "engine.log", free_port()
    with subprocess.Popen(
        (*COMMAND, "run", f"--port={port}", f"--log={log}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr is not None
        said = [command.stderr.readline() for _ in range(3)]
        command.send_signal(signal.SIGINT)
        rest = command.communicate(timeout=10)
    assert (command.returncode, rest) == (0, ("", ""))
    assert said[0].startswith(f"tiny-tickets on llamacpp answers at http://127.0.0.1:{port}/v1")
    assert "sha256:972a953f" in said[1]
    assert "not a useful model" in said[2]
    assert f"tiny-tickets at http://127.0.0.1:{port}" in log.read_text(encoding="utf-8")
