"""Which workload a traced request belongs to: shares of the traffic, each with a data class and a kind of prompt."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings

PromptKind: TypeAlias = Literal["words", "tickets"]
DEFAULT_MIX = "ticket-triage=20:confidential:tickets,assistant=60:internal,reports=20:public"
_FORM = (
    "use WORKLOAD=SHARE[:DATA CLASS[:words|tickets[:SENSITIVE%]]],... such as ticket-triage=20:confidential:tickets,assistant=80"
)


class Share(msgspec.Struct, frozen=True):
    """One workload's part of the traffic, relative to the sum of all shares. `data_class` None sends no data header.

    `sensitive` of its prompts (0 to 1) hold made-up sensitive values. `key` is sent in place of the replay's own.
    """

    workload: str
    weight: float
    data_class: DataClass | None
    prompts: PromptKind
    sensitive: float = 0.0
    key: str | None = None


class Mix:
    """Deals requests to workloads by a hash of their index: the same index always meets the same workload."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self._shares = tuple(shares)
        self._total = sum(share.weight for share in shares)

    def share_of(self, index: int) -> Share:
        """The share that request number `index` belongs to."""
        digest = hashlib.blake2b(index.to_bytes(8), digest_size=8).digest()
        point = int.from_bytes(digest) / 2**64 * self._total
        for share in self._shares:
            point -= share.weight
            if point < 0:
                return share
        return self._shares[-1]


def parse_mix(text: str, keys: Mapping[str, str] | None = None) -> Mix:
    """Read `name=share:class:prompts:sensitive%,...`; `keys` are by workload. Raises BadSettings naming what cannot be read."""
    shares = [_share(part.strip()) for part in text.split(",") if part.strip()]
    if not shares:
        raise BadSettings(f"the mix is empty; {_FORM}")
    names = [share.workload for share in shares]
    if len(set(names)) < len(names):
        raise BadSettings(f"the mix names a workload twice: {', '.join(names)}; give each one share")
    return Mix([msgspec.structs.replace(share, key=(keys or {}).get(share.workload)) for share in shares])


def _share(part: str) -> Share:
    name, _, rest = part.partition("=")
    number, *options = [piece.strip() for piece in rest.split(":")]
    class_name, prompts, sensitive = [*options, "", "", ""][:3]
    if not name.strip() or len(options) > 3 or prompts not in {"", "words", "tickets"}:
        raise BadSettings(f"mix part {part!r} cannot be read; {_FORM}")
    try:
        data_class = DataClass.parse(class_name) if class_name else None
    except ValueError as error:
        raise BadSettings(f"mix part {part!r}: {error}") from None
    kind: PromptKind = "tickets" if prompts == "tickets" else "words"
    return Share(name.strip(), _weight(part, number), data_class, kind, _part(part, sensitive) if sensitive else 0.0)


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise BadSettings(f"mix part {part!r}: its share {number!r} is no number above 0; {_FORM}")
    return weight


def _part(part: str, percent: str) -> float:
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not (percent.endswith("%") and 0 <= share <= 1):
        raise BadSettings(f"mix part {part!r}: its sensitive part {percent!r} is no percentage from 0% to 100%; {_FORM}")
    return share
