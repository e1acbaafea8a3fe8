"""One validated configuration as the request line sees it: immutable, and swapped whole on reload."""

from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from freehold.core.ports import Codec, Engine
from freehold.core.price import PriceCard
from freehold.core.target import Target, Workload
from freehold.serve.access.keys import Keyring


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit of the data plane, explicit. Seconds and bytes. `first_token_s` and `idle_s` bound a stream; an answer without
    streaming comes whole, within `whole_s`, or another target is tried."""

    body_bytes: int = 32 * 1024 * 1024
    reply_bytes: int = 32 * 1024 * 1024
    in_flight: int = 4096
    attempts: int = 4
    connect_s: float = 5.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    whole_s: float = 300.0
    total_s: float = 900.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Codecs and engines by target. `version` names it in every entry; `price(target, day)` is None for owned targets."""

    version: str
    targets: Mapping[str, Target]
    workloads: Mapping[str, Workload]
    codecs: Mapping[str, Codec]
    engines: Mapping[str, Engine]
    keys: Keyring
    bounds: Bounds
    price: Callable[[Target, date], PriceCard | None]
