"""A real llama.cpp engine calibrated end to end: swept under load, fitted, and its held-out loads predicted.

Other work on the cores is part of what is measured here. What it takes from the engine is taken off; what it takes from the
caller is not, and shows in how far the repeats of a load are apart. No prediction is held to less than that; a law that is wrong
by a factor is further off.
"""

from pathlib import Path

import msgspec
import pytest
from grown_model import grown_model

from e2e.house import free_port
from freehold.app.calibrating import BARS, Extent, outcome, swept
from freehold.app.engines import supervised
from freehold.core.ports import EngineSpec
from freehold.lab.sweep import Engine
from freehold.plan.capacity.calibration.check import Errors, check
from freehold.plan.capacity.calibration.design import planned_loads
from freehold.serve.engines import ENGINES

_TRIES = 3
_TOO_FAR = 0.3  # repeats of a load that are further apart than this tell nothing of a prediction
_SPARE = 1.5  # times as far as the repeats are apart
_OFF = 2.0  # a constant wrong by this factor has to show


def within(errors: Errors, apart: Errors) -> bool:
    """Inside the command's bars, or about as near as the repeats of a load are to each other."""
    return all(error <= max(bar, _SPARE * least) for error, bar, least in zip(errors, BARS, apart, strict=True))


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(900)
async def test_held_out_loads_of_a_real_engine_are_predicted(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    weights = grown_model(tmp_path / "grown.gguf")
    extent = Extent(slots=4, isl=192, osl=64, seconds=60.0)
    spec = EngineSpec(model_path=str(weights), alias="grown", port=free_port(), parallel=4, context_tokens=1024, threads=1)
    launch = ENGINES["llamacpp"].launch(spec)
    loads = planned_loads(4, extent.isl, extent.osl)
    missed = []
    async with supervised(launch, log=lambda _: None):
        for _ in range(_TRIES):
            fitted, held_out, waited = await swept(Engine(url=launch.url, model="grown"), loads, extent)
            made = outcome(fitted, held_out, 4)
            assert made.requests > 100
            assert made.repeats is not None
            if max(made.repeats) > _TOO_FAR:
                continue
            slower = msgspec.structs.replace(made.fit.law, prefill_s=_OFF * made.fit.law.prefill_s)
            assert not within(check(slower, held_out).by_load, made.repeats)
            if within(made.held_out.by_load, made.repeats):
                return
            missed.append((made.held_out.by_load, made.repeats, waited))
    if not missed:
        pytest.skip(f"repeats of one load were more than {_TOO_FAR:.0%} apart in each of {_TRIES} sweeps")
    raise AssertionError(f"held-out loads, repeats and share of the time the engine waited, by sweep: {missed}")
