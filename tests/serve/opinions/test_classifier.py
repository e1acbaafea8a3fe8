"""A classifier of one's own, over the wire: llama.cpp for real, the lab's engine that ignores schemas, and one that is away."""

import pytest
from e2e.house import free_port

from freehold.app.engines import supervised
from freehold.app.weights import resolve_model
from freehold.core.data import DataClass
from freehold.core.ports import EngineSpec
from freehold.core.target import Target
from freehold.lab.engine import EngineSettings, build_engine
from freehold.lab.server import serving
from freehold.rules.sensitivity.opinion import Mandate, NoOpinion
from freehold.serve.engines import ENGINES
from freehold.serve.opinions.classifier import Classifier
from freehold.serve.transport.outbound import AiohttpOutbound


def classifier(url: str, engine: str, part: int = 4000) -> Classifier:
    target = Target(name="judge", kind="owned", codec=engine, url=url, model="m", clearance=DataClass.restricted)
    mandate = Mandate(name="j", labels={"pii": DataClass.confidential}, seen_by=target)
    return Classifier(mandate, target, ENGINES[engine].codec.natives["openai_chat"], part, AiohttpOutbound)


async def test_llamacpp_answers_in_the_form_that_is_asked_for() -> None:
    """The bundled model sorts tickets: what it says here means nothing; that it says yes or no is llama.cpp's doing."""
    pytest.importorskip("xllamacpp", reason="needs freehold[llamacpp]")
    spec = EngineSpec(model_path=str(resolve_model("tiny-tickets")), alias="m", port=free_port(), parallel=1)
    launch = ENGINES["llamacpp"].launch(spec)
    async with supervised(launch, log=lambda _: None):
        assert await classifier(launch.url, "llamacpp").labels("refund me") in (set(), {"pii"})
        with pytest.raises(NoOpinion, match="judge answered with status 400"):  # its context has 256 tokens
            await classifier(launch.url, "llamacpp").labels("My name is Ada. " * 60)


async def test_an_engine_that_ignores_the_schema_gives_no_opinion() -> None:
    async with serving(build_engine(EngineSettings(ttft_ms=0, tokens_per_s=1e6))) as url:
        with pytest.raises(NoOpinion, match="judge gave no answer of the form that was asked for"):
            await classifier(url, "vllm").labels("hello")


async def test_one_that_is_away_gives_none() -> None:
    with pytest.raises(NoOpinion, match="judge: unreachable: Connection refused"):
        await classifier(f"http://127.0.0.1:{free_port()}", "vllm").labels("hello")
