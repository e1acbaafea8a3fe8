"""What workers and their parent say to each other, over real sockets."""

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from freehold.app.crew import (
    PARENT,
    Crew,
    HowAreAll,
    HowAreYou,
    Live,
    Loaded,
    Question,
    Ready,
    WorkerState,
    asked,
    listening,
    together,
)
from freehold.core.decision import TargetState
from freehold.core.errors import Saturated


async def test_a_worker_tells_and_asks_its_parent(tmp_path: Path) -> None:
    heard: list[Question] = []
    all_heard = asyncio.Event()

    async def answer(question: Question) -> object:
        heard.append(question)
        if len(heard) == 3:
            all_heard.set()
        return Live(3, {}) if isinstance(question, HowAreAll) else True

    crew = Crew(tmp_path, 1)
    async with listening(tmp_path / PARENT, answer):
        assert (await crew.live()).in_flight == 3
        crew.ready()
        crew.loaded("abc")
        await asyncio.wait_for(all_heard.wait(), 5)
    assert heard[0] == HowAreAll()
    assert {type(question) for question in heard[1:]} == {Ready, Loaded}


async def test_its_state_goes_there_whole(tmp_path: Path) -> None:
    state = WorkerState(2, {"api": TargetState(phase="half_open", quota_s=1.5)}, [])
    async with Crew(tmp_path, 7).answering(lambda: state):
        assert await asked(tmp_path / "7", HowAreYou(), WorkerState) == state
        assert stat.S_ISSOCK((tmp_path / "7").stat().st_mode)


async def test_a_socket_that_was_left_behind_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "0"))
    async with Crew(tmp_path, 0).answering(lambda: WorkerState(2, {}, [])):
        assert (await asked(tmp_path / "0", HowAreYou(), WorkerState)).in_flight == 2


async def test_without_a_parent_there_is_no_answer_for_now(tmp_path: Path) -> None:
    with pytest.raises(Saturated):
        await Crew(tmp_path, 0).live()


def test_targets_are_as_the_one_that_thinks_worst_of_them_has_them() -> None:
    well, ill = TargetState(in_flight=2), TargetState(in_flight=1, phase="open", open_s=4.0, failures=5, share=0.0)
    states = {0: WorkerState(2, {"api": well, "box": well}, []), 1: WorkerState(1, {"api": ill}, [])}
    in_flight, targets = together(states)
    assert in_flight == 3
    assert targets["api"] == TargetState(in_flight=3, phase="open", open_s=4.0, failures=5, share=0.0)
    assert targets["box"] == well
