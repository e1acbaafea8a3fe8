"""`freehold calibrate` as a person calls it, on the lab engine and with bad input; and the file beside a configuration."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvicorn
from e2e.house import free_port

from freehold.app.calibrating import outcome
from freehold.app.calibration_file import (
    FILE_NAME,
    Calibrated,
    Constant,
    HeldOut,
    calibration_of,
    read_calibrations,
    write_calibration,
)
from freehold.app.cli.calibrate import app
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.target import Target
from freehold.lab.engine import EngineSettings, build_engine
from freehold.plan.capacity.calibration.design import planned_loads
from freehold.plan.capacity.calibration.law import CONSTANTS, LatencyLaw
from freehold.plan.capacity.calibration.slots import under_load
from freehold.plan.capacity.calibration.timings import Load, Timing

CONFIG = """version: 1
store: sqlite:///probe.db
targets:
  own: {{engine: vllm, url: "{url}", model: lab-engine@main, clearance: restricted, concurrency: 2}}
  far: {{provider: openai_compatible, url: "https://example.org/v1", model: m, clearance: public, price: {{input: 1, output: 1}}}}
workloads:
  all: {{targets: [own]}}
keys:
  - {{name: a, sha256: "{digest}"}}
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """A lab engine in a thread of its own: 20 ms to the first token, 5 ms for each further one."""
    port = free_port()
    settings = uvicorn.Config(
        build_engine(EngineSettings(slots=2, ttft_ms=20, tokens_per_s=200)), port=port, lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def configured(folder: Path, url: str) -> Path:
    path = folder / "freehold.yaml"
    path.write_text(CONFIG.format(url=url, digest="0" * 64), encoding="utf-8")
    return path


def run(*arguments: str) -> int:
    code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


def made(**changed: object) -> Calibrated:
    values = {
        "source": "test", "date": dt.date(2026, 11, 21), "machine": "m", "engine": "vllm", "engine_version": None,
        "url": "http://127.0.0.1:1", "model": "m", "slots": 4, "step_tokens": 2048,
        "constants": {name: Constant(0.5, 0.25, 1.0) for name in CONSTANTS},
        "held_out": HeldOut(requests=1, ttft=0.1, tpot=0.1, total=0.1), **changed,
    }  # fmt: skip
    return Calibrated(**values)  # type: ignore[arg-type]


def test_a_target_is_measured_and_its_constants_are_kept(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, engine)
    code = run(
        "--target", "own", "-c", str(config), "--seconds", "2", "--isl", "16", "--osl", "16", "--rounds", "1", "--keep", "--json"
    )
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(tmp_path / FILE_NAME)
    assert code == (0 if said["good"] else 1)
    kept = read_calibrations(config)["own"]
    assert kept.engine == "vllm"
    assert kept.model == "lab-engine@main"
    assert kept.engine_version is not None
    assert kept.slots == 2
    assert kept.law().step_s(0, 1, 16) == pytest.approx(0.005, rel=0.25)
    assert kept.held_out.requests == sum(load["requests"] for load in said["outcome"]["held_out"]["loads"])


def test_without_a_configuration_nothing_is_kept(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--url", engine, "--model", "x", "--seconds", "1", "--isl", "16", "--osl", "16", "--rounds", "2", "--slots", "1")
    told = capsys.readouterr()
    assert "held-out loads" in told.out
    assert "repeats of a load, by each other" in told.out
    assert "nothing written" in told.err
    assert list(tmp_path.iterdir()) == []


def test_results_of_another_tool_are_taken_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files as `vllm bench serve` writes them, by hand: so many callers whose tokens come at a steady rate."""
    files = []
    for callers in (1, 2, 4):
        rows = [(50 + 50 * (number % 2), number // callers * 0.5) for number in range(8 * callers)]
        run_of = {
            "max_concurrency": callers, "start_times": [start for _, start in rows], "input_lens": [tokens for tokens, _ in rows],
            "output_lens": [11] * len(rows), "ttfts": [tokens / 500 for tokens, _ in rows],
            "itls": [[0.02 + 0.005 * callers] * 10] * len(rows),
        }  # fmt: skip
        file = tmp_path / f"c{callers}.json"
        file.write_text(json.dumps(run_of), encoding="utf-8")
        files += ["--results", str(file)]
    code = run(*files, "--slots", "4", "--json")
    said = json.loads(capsys.readouterr().out)
    assert code == (0 if said["good"] else 1)
    assert said["file"] is None
    assert said["calibration"] is None
    held_out = [(load["name"], load["input_tokens"]) for load in said["outcome"]["held_out"]["loads"]]
    assert held_out == [("c2.json, 2 at once", 50), ("c2.json, 2 at once", 100)]
    assert said["outcome"]["requests"] == 8 * 7


def test_what_neighbours_took_is_told_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loads are those of a law that is known, so that only the telling is tried here."""
    law = LatencyLaw(fixed_s=0.01, prefill_s=2e-4, sequence_s=1e-3, context_s=1e-6, overhead_s=0.01, admission_s=0.0, slots=2)
    loads: dict[bool, list[Load]] = {False: [], True: []}
    for planned in planned_loads(2, 64, 32):
        rows = tuple(
            Timing(sent_s=0.0, first_s=0.0, last_s=0.0, input_tokens=one.input_tokens, output_tokens=one.output_tokens)
            for one in planned.lengths * 4
        )
        asked = Load(name=planned.name, concurrency=planned.concurrency, timings=rows)
        loads[planned.held_out].append(msgspec.structs.replace(asked, timings=under_load(law, asked)))
    seen = msgspec.structs.replace(outcome(loads[False], loads[True], 2), waited=0.4)
    monkeypatch.setattr("freehold.app.cli.calibrate.measured", lambda *_: seen)
    config = configured(tmp_path, "http://127.0.0.1:9")
    assert run("--target", "own", "-c", str(config)) == 0
    assert "other programs had the engine's core for 40% of the time" in capsys.readouterr().err
    kept = read_calibrations(config)["own"]
    assert kept.source == f"freehold calibrate, {seen.requests} requests, without the 40% of the time it waited for a core"
    assert kept.law().apart_s == seen.fit.law.apart_s
    before = msgspec.structs.replace(kept, constants={name: kept.constants[name] for name in kept.constants if name != "apart_s"})
    assert before.law() == msgspec.structs.replace(kept.law(), apart_s=0.0), "a file from before apart_s was measured"
    with pytest.raises(BadSettings, match=r"lacks fixed_s, .*; run 'freehold calibrate' again"):
        msgspec.structs.replace(kept, constants={}).law()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to measure"),
        (("--url", "http://127.0.0.1:1"), "say what to measure"),
        (("--target", "own", "--url", "http://127.0.0.1:1"), "leave out --url and --model"),
        (("--target", "nobody"), "no target 'nobody' in .*; it has own, far"),
        (("--target", "far"), "target far is rented"),
        (("--target", "own", "--slots", "0"), "--slots is 0"),
        (("--target", "own", "--seconds", "0"), "seconds is 0; give 1 to 3600"),
        (("--target", "own", "--rounds", "0"), "rounds is 0"),
        (("--target", "own"), "did not answer"),
        (("--results", "absent.json"), "cannot read absent.json"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(BadSettings, match=says):
        run(*arguments, "-c", str(config))


def test_a_calibration_counts_for_the_target_it_was_made_at(tmp_path: Path) -> None:
    config = tmp_path / "freehold.yaml"
    assert read_calibrations(config) == {}
    write_calibration(config, "own", made())
    write_calibration(config, "other", made(slots=None))
    assert list(read_calibrations(config)) == ["other", "own"]
    target = Target(name="own", kind="owned", codec="vllm", url="http://127.0.0.1:1", model="m", clearance=DataClass.public)
    found = calibration_of(config, target)
    assert found == made()
    assert found.law().slots == 4
    moved = Target(name="own", kind="owned", codec="vllm", url="http://127.0.0.1:2", model="m", clearance=DataClass.public)
    assert calibration_of(config, moved) is None


@pytest.mark.parametrize("text", ["{", "version: 2\ntargets: {}\n", "version: 1\ntargets: {own: {slots: x}}\n", "\x00"])
def test_a_damaged_file_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings, match=FILE_NAME):
        read_calibrations(tmp_path / "freehold.yaml")


def test_a_constant_that_is_missing_is_refused() -> None:
    with pytest.raises(BadSettings, match="lacks prefill_s, sequence_s"):
        made(constants={"fixed_s": Constant(1, 1, 1)}).law()
