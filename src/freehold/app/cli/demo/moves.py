"""The three moves of `freehold demo --migration`: what runs for them, the `freehold.yaml` it writes, where each should end."""

import shutil
from pathlib import Path

import msgspec

from freehold.app.cli.demo.children import free_port
from freehold.app.weights import resolve_model, weights_of
from freehold.core.assignment import Stage
from freehold.core.errors import BadSettings
from freehold.lab.ticket_models import deepened, worse_model
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.move.migration.progress import CANARY, GATE, GUARD
from freehold.serve.access.keys import digest, new_key

DEEP_LAYERS = 70  # of two that say something: one slot then carries a few tens of tickets a second, on a quick machine too

_CONFIG = """\
# Written by `freehold demo --migration`. The target marked lab is a stand-in and says so; the three engines are real.
version: 1
listen: 127.0.0.1:{gateway}
store: sqlite:///freehold.db
admin: {{listen: "127.0.0.1:{admin}", key_sha256: {admin_sha256}}}
keys:
  - {{name: demo, sha256: {key_sha256}}}
targets:
  rented-api:                # lab: stands in for a hosted API that knows every ticket
    provider: lab
    url: http://127.0.0.1:{provider}
    model: lab-triage
    regions: [us]
    clearance: internal
    max_output_tokens: 64
    price: {{input: 0.15, output: 0.6, valid_from: "2026-11-01", source: "a made-up price"}}
  tickets-good:              # llama.cpp on this machine with a tiny model that knows support tickets and nothing else
    engine: llamacpp
    url: http://127.0.0.1:{good}
    model: tiny-tickets
    weights: {good_weights}
    regions: [home]
    clearance: restricted
    concurrency: 4
  tickets-worse:             # llama.cpp with a model that was trained on three of each label's five phrases
    engine: llamacpp
    url: http://127.0.0.1:{worse}
    model: {worse_file.stem}
    weights: {worse_weights}
    weights_file: {worse_file}
    regions: [home]
    clearance: restricted
    concurrency: 4
  tickets-narrow:            # llama.cpp with a model that answers as the good one does, with far more work, and one slot for it
    engine: llamacpp
    url: http://127.0.0.1:{narrow}
    model: {narrow_file.stem}
    weights: {narrow_weights}
    weights_file: {narrow_file.name}
    regions: [home]
    clearance: restricted
workloads:
  good: {{targets: [rented-api], data: internal}}
  worse: {{targets: [rented-api], data: internal}}
  failing: {{targets: [rented-api], data: internal}}
"""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's candidate, in which stage it should end, and who may have decided that."""

    workload: str
    target: str
    ends: Stage
    by: tuple[str, ...]
    story: str


MOVES = (
    Move(workload="good", target="tickets-good", ends="live", by=(GUARD,),
         story="a small model that was trained on these tickets"),
    Move(workload="worse", target="tickets-worse", ends="rolled_back", by=(GATE,),
         story="a worse one, trained on fewer phrases"),
    Move(workload="failing", target="tickets-narrow", ends="rolled_back", by=(GUARD, CANARY),
         story="one as good as the first, on an engine that is too small for the callers"),
)  # fmt: skip


class MovingWorld(msgspec.Struct, frozen=True, kw_only=True):
    """The folder, the ports by process, and the key of the callers. `models`: what each engine serves."""

    folder: Path
    gateway: int
    admin: int
    provider: int
    engines: dict[str, int]
    models: dict[str, Path]
    key: str

    @property
    def config(self) -> Path:
        """What the gateway is started with."""
        return self.folder / "freehold.yaml"

    @property
    def ledger(self) -> Path:
        """The ledger it writes."""
        return self.folder / "freehold.db"


def settings(late_s: float) -> MigrationSettings:
    """Short: a wide margin, few and large steps, so that it is over in a minute. An answer is late after `late_s`."""
    compared = (Guardrail("errors", "worse_by", 0.1), Guardrail("refusals", "worse_by", 0.1), Guardrail("late", "at_most", 0.1))
    gate = GateSettings(margin=0.1, min_samples=60, guardrails=compared)
    return MigrationSettings(gate=gate, steps=(0.05, 0.25, 0.5), dwell=20, late_s=late_s)


def build_moves() -> MovingWorld:
    """A fresh folder with its configuration and the deep model. Raises BadSettings when it cannot be written."""
    gateway = free_port(8400)
    folder = Path(".demo-migration" if gateway == 8400 else f".demo-migration-{gateway}").absolute()
    admin, provider = free_port(8401), free_port(8413)
    engines = {move.target: free_port(8421 + place) for place, move in enumerate(MOVES)}
    deep = folder / f"tickets-of-{DEEP_LAYERS}-layers.gguf"
    good, worse, narrow = engines
    world = MovingWorld(
        folder=folder, gateway=gateway, admin=admin, provider=provider, engines=engines, key=new_key(),
        models={good: resolve_model("tiny-tickets"), worse: worse_model(), narrow: deep},
    )  # fmt: skip
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        deepened(world.models[good], deep, DEEP_LAYERS)
        world.config.write_text(_config(world), encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"cannot write the demo's folder {folder}: {error.strerror}") from None
    return world


def _config(world: MovingWorld) -> str:
    good, worse, narrow = world.engines
    return _CONFIG.format(
        gateway=world.gateway, admin=world.admin, provider=world.provider, key_sha256=digest(world.key),
        admin_sha256=digest(new_key()), good=world.engines[good], worse=world.engines[worse], narrow=world.engines[narrow],
        good_weights=weights_of(world.models[good]), worse_weights=weights_of(world.models[worse]),
        narrow_weights=weights_of(world.models[narrow]), worse_file=world.models[worse], narrow_file=world.models[narrow],
    )  # fmt: skip
