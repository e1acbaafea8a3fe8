"""What the demo runs: its ports, its keys, and the `freehold.yaml` it writes for anyone to read."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from freehold.app.cli.demo.children import free_port
from freehold.app.weights import resolve_model, weights_of
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest, new_key
from freehold.serve.providers import PROVIDERS

# A live demo uses the cheapest current model of whichever provider has a key in the environment, in this order.
_LIVE_MODELS = {
    "openai": "gpt-4o-mini",
    "mistral": "mistral-small-latest",
    "groq": "llama-3.1-8b-instant",
    "deepseek": "deepseek-chat",
}
LAB_MODEL = "gpt-4o-mini-2024-07-18"
TRIAL_USD = "0.024"  # of what its share of the trace costs, most
# Whose workload each is: a key and a team of its own.
TEAMS = {"ticket-triage": "support", "assistant": "product", "contracts": "legal", "reports": "reporting", "trial": "trial"}

_CONFIG = """\
# Written by `freehold demo`. Targets marked lab are stand-ins and say so; the ticket engine is real.
version: 1
listen: 127.0.0.1:{gateway}
store: sqlite:///freehold.db
admin:
  listen: 127.0.0.1:{admin}
  key_sha256: {admin_sha256}
keys:
{keys}
budgets:                       # rented dollars, set aside before each call
  - {{name: team-day, scope: team, period: day, usd: 5}}  # each team has its own
  - {{name: trial-day, scope: team, match: trial, period: day, usd: {trial_usd}}}  # spent before the replay ends: then 429
sensitivity:                   # what is found in the text of a request decides too, and only ever tightens
  labels:
    pii: redact                # rented targets see placeholders
    phi: raise                 # to restricted, as the kinds found say: stays on machines of your own
    pci: raise
    secret: block              # sent nowhere
signals:
  every_s: 5                   # a short demo is looked at often
limits:
  rules:
    - {{name: demo-keys, scope: key, requests_per_minute: 100000, concurrent: 2000}}
targets:
  tickets-llamacpp:            # llama.cpp on this machine with a tiny model that knows support tickets and nothing else
    engine: llamacpp
    url: http://127.0.0.1:{tickets}
    model: tiny-tickets
    weights: {weights}
    regions: [home]
    clearance: restricted
    concurrency: 4
  assistant-owned:             # lab: stands in for vLLM with Llama-3.1-8B on one L40S
    engine: vllm
    url: http://127.0.0.1:{engine}
    model: Llama-3.1-8B
    regions: [home]
    clearance: restricted
    concurrency: {slots}
    cost: {{gpu: L40S, count: 1, provider: aws, plan: on_demand}}
    lab: true
{rented}
workloads:
  ticket-triage:               # its requests say that they are confidential, so the rented target is removed, every time
    targets: [tickets-llamacpp, rented-api]
    data: internal
    spill: false
  assistant:                   # own the base, rent the peak
    targets: [assistant-owned, rented-api]
    data: internal
    spill: true
  contracts:                   # may not leave the region, so nothing of it spills, however busy its engine is
    targets: [assistant-owned, rented-api]
    data: internal
    regions: [home]
    spill: true
  reports:                     # nobody owns an engine for it: what is found too sensitive to be rented is refused
    targets: [rented-api]
    data: public
  trial:
    targets: [rented-api]
    data: public
"""
_LAB_RENTED = """\
  rented-api:                  # lab: stands in for a hosted API, at that API's price
    provider: lab
    url: http://127.0.0.1:{provider}
    model: {model}
    regions: [us]
    clearance: internal
    max_output_tokens: 16384   # bounds what a request may cost whose caller set no bound
    price: {{like: openai/{model}}}
"""
_LIVE_RENTED = """\
  rented-api:                  # a real API: it bills
    provider: {name}
    model: {model}
    key: env:{variable}
    regions: [us]
    clearance: internal
"""


class World(msgspec.Struct, frozen=True):
    """Ports, keys and files of one demo; `keys` by workload. `live` names the provider whose key is used, None in the lab."""

    folder: Path
    gateway: int
    admin: int
    tickets: int
    engine: int
    provider: int
    keys: Mapping[str, str]
    admin_key: str
    live: str | None

    @property
    def key(self) -> str:
        """The one that a person may try by hand."""
        return self.keys["ticket-triage"]

    @property
    def config(self) -> Path:
        """The configuration the gateway was started with."""
        return self.folder / "freehold.yaml"

    @property
    def ledger(self) -> Path:
        """The ledger it writes."""
        return self.folder / "freehold.db"


SLOTS = 16


def build_world(*, live: bool) -> World:
    """A fresh folder with its configuration. Raises BadSettings when it cannot be written, or no key for a live demo is there."""
    name = _live_provider() if live else None
    gateway = free_port(8400)
    folder = Path(".demo" if gateway == 8400 else f".demo-{gateway}").absolute()
    admin, tickets, engine, provider = (free_port(wished) for wished in (8401, 8411, 8412, 8413))
    world = World(folder, gateway, admin, tickets, engine, provider, {workload: new_key() for workload in TEAMS}, new_key(), name)
    rented = _LAB_RENTED.format(provider=world.provider, model=LAB_MODEL)
    if name is not None:
        rented = _LIVE_RENTED.format(name=name, model=_LIVE_MODELS[name], variable=PROVIDERS[name].key_env)
    text = _CONFIG.format(
        gateway=gateway, admin=world.admin, tickets=world.tickets, engine=world.engine, slots=SLOTS, rented=rented.rstrip(),
        admin_sha256=digest(world.admin_key), keys="\n".join(_key_line(*pair) for pair in world.keys.items()),
        trial_usd=TRIAL_USD, weights=weights_of(resolve_model("tiny-tickets")),
    )  # fmt: skip
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        world.config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"cannot write the demo's folder {folder}: {error.strerror}") from None
    return world


def _key_line(workload: str, key: str) -> str:
    team = TEAMS[workload]
    whose = f"team: {team}, user: {team}-app"
    return f"  - {{name: {team}-key, sha256: {digest(key)}, workloads: [{workload}], {whose}, replays: true}}"


def _live_provider() -> str:
    for name in _LIVE_MODELS:
        if os.environ.get(PROVIDERS[name].key_env or ""):
            return name
    variables = ", ".join(str(PROVIDERS[name].key_env) for name in _LIVE_MODELS)
    raise BadSettings(f"--live needs a provider's key in the environment: one of {variables}")
