"""The file is taken when it is whole and right, once; whatever is wrong with it leaves everything as it was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from freehold.app import config_file, reload
from freehold.app.config_file import ConfigFile
from freehold.app.policy import build_policy
from freehold.app.reload import Reloader, file_watched, refuse_fixed
from freehold.core.errors import BadSettings
from freehold.serve.gateway.policy import Policy

TEXT = f"""\
version: 1
keys: [{{name: app, sha256: {"a" * 64}}}]
targets:
  box: {{engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}}
workloads:
  w: {{targets: [box]}}
  v: {{targets: [box]}}
"""


class World:
    """A reloader over a real file, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "freehold.yaml"
        self.path.write_text(TEXT, encoding="utf-8")
        self.policies: list[Policy] = []
        self.results: list[str] = []
        self.build: Callable[[ConfigFile], Policy] = lambda file: build_policy(file, datetime.now(UTC).date())
        self._news = asyncio.Event()
        file = config_file.load(self.path)
        self.reloader = Reloader(file, file.version, self._build, self._put, self._count)

    async def settle(self, results: int) -> None:
        async with asyncio.timeout(20):
            while len(self.results) < results:
                self._news.clear()
                await self._news.wait()

    def _build(self, file: ConfigFile) -> Policy:
        return self.build(file)

    def _put(self, file: ConfigFile, policy: Policy) -> None:
        self.policies.append(policy)

    def _count(self, result: str) -> None:
        self.results.append(result)
        self._news.set()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(reload, "_EVERY_S", 0.05)
    world = World(tmp_path)
    async with file_watched(world.reloader):
        yield world


async def test_a_changed_file_is_taken_once(world: World) -> None:
    before = world.reloader.state
    world.path.write_text(TEXT + "bounds: {in_flight: 7}\n", encoding="utf-8")
    await world.settle(1)
    await asyncio.sleep(0.3)
    assert world.results == ["loaded"]
    assert [policy.bounds.in_flight for policy in world.policies] == [7]
    after = world.reloader.state
    assert (after.times, after.version != before.version, after.loaded_at > before.loaded_at) == (2, True, True)


async def test_a_file_that_is_still_being_written_is_waited_for(world: World) -> None:
    """Its first half is a valid file too: without the second workload."""
    lines = TEXT.splitlines(keepends=True)
    assert config_file.ConfigFile(world.path, "".join(lines[:-1])).settings.workloads.keys() == {"w"}
    for count in range(1, len(lines) + 1):
        world.path.write_text("".join(lines[:count]) + "# changed\n", encoding="utf-8")
        await asyncio.sleep(0.03)
    await world.settle(1)
    assert world.results == ["loaded"]
    assert [set(policy.workloads) for policy in world.policies] == [{"w", "v"}]


async def test_a_wrong_file_is_refused_once_and_the_right_one_after_it_taken(world: World) -> None:
    with capture_logs() as logs:
        world.path.write_text(TEXT.replace("targets: [box]", "targets: [bos]", 1), encoding="utf-8")
        await world.settle(1)
        await asyncio.sleep(0.3)
    assert (world.results, world.policies) == (["refused"], [])
    (line,) = logs
    place = f"{world.path}:6: workloads.w.targets: unknown target 'bos'; there are box"
    assert (line["log_level"], line["problem"]) == ("error", place)
    refusal = world.reloader.state.last_refusal
    assert refusal is not None
    assert (refusal.problem, world.reloader.state.times) == (place, 1)
    world.path.unlink()
    await world.settle(2)
    world.path.write_text(TEXT + "# mended\n", encoding="utf-8")
    await world.settle(3)
    assert world.results == ["refused", "refused", "loaded"]


async def test_touching_the_file_changes_nothing_and_asking_reads_it_all_again(world: World) -> None:
    world.path.touch()
    await asyncio.sleep(0.3)
    assert world.results == []
    world.reloader.ask()
    await world.settle(1)
    assert world.results == ["loaded"]


async def test_what_breaks_in_here_does_not_end_the_watch(world: World) -> None:
    good = world.build

    def broken(file: ConfigFile) -> Policy:
        raise RuntimeError("a mistake of ours")

    world.build = broken
    world.reloader.ask()
    await world.settle(1)
    refusal = world.reloader.state.last_refusal
    assert refusal is not None
    assert refusal.problem.endswith("internal error (RuntimeError); the log has it")
    world.build = good
    world.reloader.ask()
    await world.settle(2)
    assert world.results == ["refused", "loaded"]


async def test_the_event_loop_goes_on_while_a_policy_is_made(world: World) -> None:
    gate, good = asyncio.Event(), world.build
    loop = asyncio.get_running_loop()

    def waits_for_the_loop(file: ConfigFile) -> Policy:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)
        return good(file)

    world.build = waits_for_the_loop
    world.reloader.ask()
    await asyncio.sleep(0.2)
    assert world.results == []
    gate.set()
    await world.settle(1)
    assert world.results == ["loaded"]


CONTENT = "content: {key: 'env:X'}\n"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("listen: 127.0.0.1:1\n", ":8: listen: "),
        ("store: sqlite:///other.db\n", ":8: store: "),
        ("admin: {key_sha256: " + "b" * 64 + "}\n", ":8: admin.key_sha256: "),
        ("bounds: {connect_s: 1}\n", ":8: bounds.connect_s: "),
        ("signals: {webhook: {url: 'https://x.example', key: 'env:X'}}\n", ":8: signals.webhook: "),
        (CONTENT, ":8: content.path: "),
        ("limits: {store: 'redis://localhost'}\n", ":8: limits.store: "),
    ],
)
def test_what_is_fixed(tmp_path: Path, more: str, field: str) -> None:
    path = tmp_path / "freehold.yaml"
    before, after = ConfigFile(path, TEXT), ConfigFile(path, TEXT + more)
    refuse_fixed(before, ConfigFile(path, TEXT + "bounds: {in_flight: 3}\n"))
    for one, other in ((before, after), (after, before)):
        with pytest.raises(BadSettings, match="cannot change while the gateway runs; put it back, or restart the gateway") as no:
            refuse_fixed(one, other)
        assert field.split()[1] in no.value.message
    with pytest.raises(BadSettings) as refused:
        refuse_fixed(before, after)
    assert refused.value.message.startswith(f"{path}{field}cannot change")


def test_a_new_reader_of_kept_content_needs_no_restart(tmp_path: Path) -> None:
    path, reader = tmp_path / "freehold.yaml", f"{{name: ada, sha256: {'c' * 64}, up_to: internal}}"
    more = CONTENT.replace("}", f", readers: [{reader}]}}")
    refuse_fixed(ConfigFile(path, TEXT + CONTENT), ConfigFile(path, TEXT + more))
