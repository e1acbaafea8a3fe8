"""The lab's commands: a server that says where it is, a replay that accounts, and one clear line for bad input."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from freehold.app.cli import main

COMMAND = [sys.executable, "-c", "from freehold.app.cli import main; main()"]
ROWS = "".join(f"2023-11-16 18:17:{second:02d}.5,12,4\n" for second in range(10))


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    path.write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{ROWS}")
    return str(path)


@pytest.fixture
def provider_url() -> Iterator[str]:
    with subprocess.Popen([*COMMAND, *"lab provider --port 0 --ttft-ms 5 --json".split()], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = b"".join(process.stdout.readline() for _ in range(4))
        try:
            yield msgspec.json.decode(said)["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


def test_a_replay_accounts_in_json_and_in_words(provider_url: str, trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", trace, "--url", provider_url, "--speed", "50", "--mix", "chat=1:public", "--limit", "6", "--json"])
    report = msgspec.json.decode(capsys.readouterr().out)
    assert ended.value.code == 0
    assert (report["sent"], report["answered"], report["errors"]) == (6, 6, {})
    assert len(report["whole_ids"]) == 6
    with pytest.raises(SystemExit) as ended:
        main(["replay", trace, "--url", provider_url, "--speed", "50", "--start", "2", "--duration", "3"])
    assert ended.value.code == 0
    assert "3 sent" in capsys.readouterr().out


def test_a_replay_with_failures_ends_with_one(provider_url: str, trace: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", trace, "--url", provider_url, "--speed", "100", "--mix", "a+fault:error_503=1"])
    assert ended.value.code == 1
    assert "failed: 10 503 server_is_overloaded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("replay TRACE --url http://127.0.0.1:9", "cannot reach http://127.0.0.1:9"),
        ("replay TRACE --url nowhere", "url is 'nowhere'"),
        ("replay TRACE --mix x", "mix part 'x'"),
        ("replay TRACE --speed 0", "speed is 0"),
        ("replay TRACE --limit 0", "limit is 0"),
        ("replay TRACE --start 900", "no request"),
        ("replay /no/such/file", "cannot read the trace /no/such/file"),
        ("lab provider --faults fire=1", "unknown fault 'fire'"),
        ("lab provider --tokens-per-s 0", "tokens_per_s is 0"),
        ("lab provider --port 99999", "port is 99999"),
        ("lab provider --requests-per-minute 0", "requests_per_minute is 0"),
        ("lab engine --slots 0", "slots is 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    arguments: str, said: str, trace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments.replace("TRACE", trace).split())
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
