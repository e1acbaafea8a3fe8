"""The small answers of the data plane: the model list, health and readiness."""

from collections.abc import Mapping

import msgspec

from freehold.core.errors import NotFound
from freehold.rules.order import held_because
from freehold.serve.access.keys import Key
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.scope import reaches


def model_list(headers: Mapping[str, str], gateway: Gateway) -> bytes:
    """`GET /v1/models`: what this key may name. Raises Unauthenticated, Forbidden."""
    key = gateway.admit(headers)
    models = [_model(name, owner) for name, owner in _names(key, gateway)]
    ends = {"first_id": models[0]["id"], "last_id": models[-1]["id"]} if models else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"object": "list", "data": models, "has_more": False, **ends})


def one_model(name: str, headers: Mapping[str, str], gateway: Gateway) -> bytes:
    """`GET /v1/models/{id}`. Raises Unauthenticated, Forbidden, NotFound."""
    key = gateway.admit(headers)
    for known, owner in _names(key, gateway):
        if known == name:
            return msgspec.json.encode(_model(known, owner))
    raise NotFound(f"no model {name!r} for this key", param="model")


def readiness(gateway: Gateway) -> tuple[bool, bytes]:
    """Ready: the ledger can be written and at least one target is not cooling down. With the state of each target."""
    states = gateway.board.states(tuple(gateway.policy.targets))
    usable = [name for name, state in states.items() if state.cooling_s == 0 and held_because(state) is None]
    ready = gateway.ledger.healthy() and bool(usable)
    detail = {"ready": ready, "ledger": "ok" if gateway.ledger.healthy() else "unwritable", "usable_targets": usable}
    return ready, msgspec.json.encode(detail)


def _names(key: Key, gateway: Gateway) -> list[tuple[str, str]]:
    """Workloads first, then the targets behind them."""
    policy = gateway.policy
    workloads = [w for w in policy.workloads.values() if key.workloads is None or w.name in key.workloads]
    within = {name for name, target in policy.targets.items() if reaches(key, target)}
    workloads = [workload for workload in workloads if not within.isdisjoint(workload.targets)]
    behind = dict.fromkeys(name for workload in workloads for name in workload.targets if name in within)
    return [(w.name, "freehold:workload") for w in workloads] + [(n, f"freehold:{policy.targets[n].kind}") for n in behind]


def _model(name: str, owner: str) -> dict[str, object]:
    """With the fields of both OpenAI's and Anthropic's lists; when a name was made is not known."""
    ours = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    return {**ours, "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
