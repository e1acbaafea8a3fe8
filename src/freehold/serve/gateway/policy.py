"""One validated configuration as the request line sees it: immutable, and swapped whole on reload."""

from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from freehold.core.data import LABELS, DataClass, LabelRule
from freehold.core.ports import Codec, Engine
from freehold.core.price import PriceCard
from freehold.core.target import Target, Workload
from freehold.rules.budget import Budget
from freehold.serve.access.keys import Keyring
from freehold.serve.access.limits import Limit
from freehold.serve.gateway.inspection import Inspector
from freehold.serve.transport.ways import Way


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit of the data plane, explicit. Seconds and bytes. `first_token_s` and `idle_s` bound a stream; an answer without
    streaming comes whole, within `whole_s`, or another target is tried."""

    body_bytes: int = 32 * 1024 * 1024
    reply_bytes: int = 32 * 1024 * 1024
    in_flight: int = 4096
    attempts: int = 4
    connect_s: float = 5.0
    hold_s: float = 2.0
    headers_s: float = 60.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    slow_s: float = 120.0
    slow_events: int = 3
    whole_s: float = 300.0
    total_s: float = 900.0


class Keep(msgspec.Struct, frozen=True):
    """What a workload keeps of its content: `sample` of its finished requests (0-1), for `ttl_s` seconds, up to a data class."""

    ttl_s: float
    sample: float
    up_to: DataClass


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Codecs and engines by target. `version` names it in every entry; `price(target, day)` is None for owned targets.

    `ways` by the origin of every target; `media_hosts` by target or workload; `keep` by workload, where one keeps content.
    `labels` are those that data may carry, `providers` the names that a header may allow or deny.
    """

    version: str
    targets: Mapping[str, Target]
    workloads: Mapping[str, Workload]
    codecs: Mapping[str, Codec]
    engines: Mapping[str, Engine]
    keys: Keyring
    bounds: Bounds
    price: Callable[[Target, date], PriceCard | None]
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    ways: Mapping[str, Way] = {}
    media_hosts: Mapping[str, frozenset[str]] = {}
    keep: Mapping[str, Keep] = {}
    labels: Mapping[str, LabelRule] = LABELS
    providers: frozenset[str] = frozenset()
    inspector: Inspector | None = None
