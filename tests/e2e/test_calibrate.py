"""A real llama.cpp engine calibrated end to end: swept under load, fitted, and its held-out loads predicted.

The bars are looser than those of the command (10 % and 25 %), because other work on the cores is part of what is measured here.
"""

from pathlib import Path

import pytest
from grown_model import grown_model

from e2e.house import free_port
from freehold.app.calibrating import Extent, Outcome, outcome
from freehold.app.engines import supervised
from freehold.core.ports import EngineSpec
from freehold.lab.sweep import Engine, sweep
from freehold.plan.capacity.calibration.design import planned_loads
from freehold.serve.engines import ENGINES

_TRIES = 3  # a sweep in which another program took the core says nothing of the engine


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_held_out_loads_of_a_real_engine_are_predicted(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    weights = grown_model(tmp_path / "grown.gguf")
    extent = Extent(slots=4, isl=192, osl=64, seconds=60.0)
    spec = EngineSpec(model_path=str(weights), alias="grown", port=free_port(), parallel=4, context_tokens=1024, threads=1)
    launch = ENGINES["llamacpp"].launch(spec)
    tried = []
    async with supervised(launch, log=lambda _: None):
        loads = planned_loads(4, extent.isl, extent.osl)
        for _ in range(_TRIES):
            fitted, held_out = await sweep(Engine(url=launch.url, model="grown"), loads, extent.seconds, extent.rounds)
            made: Outcome = outcome(fitted, held_out, 4)
            assert made.requests > 100
            errors = made.held_out.by_load
            tried.append(errors)
            if errors.ttft < 0.5 and errors.tpot < 0.35 and errors.total < 0.35:
                return
    raise AssertionError(f"no sweep was within the bars: {tried}")
