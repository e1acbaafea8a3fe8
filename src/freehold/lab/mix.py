"""Which workload a traced request belongs to: shares of the traffic, each with a data class and a kind of prompt."""

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings

PromptKind: TypeAlias = Literal["words", "tickets"]
DEFAULT_MIX = "ticket-triage=20:confidential:tickets,assistant=60:internal,reports=20:public"
_FORM = "use WORKLOAD=SHARE[:DATA CLASS[:words|tickets]],... such as ticket-triage=20:confidential:tickets,assistant=80"


class Share(msgspec.Struct, frozen=True):
    """One workload's part of the traffic, relative to the sum of all shares. `data_class` None sends no data header."""

    workload: str
    weight: float
    data_class: DataClass | None
    prompts: PromptKind


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


def parse_mix(text: str) -> Mix:
    """Read `name=share:class:prompts,...`. Raises BadSettings naming the part that cannot be read."""
    shares = [_share(part.strip()) for part in text.split(",") if part.strip()]
    if not shares:
        raise BadSettings(f"the mix is empty; {_FORM}")
    names = [share.workload for share in shares]
    if len(set(names)) < len(names):
        raise BadSettings(f"the mix names a workload twice: {', '.join(names)}; give each one share")
    return Mix(shares)


def _share(part: str) -> Share:
    name, _, rest = part.partition("=")
    number, *options = [piece.strip() for piece in rest.split(":")]
    class_name, prompts = [*options, "", ""][:2]
    if not name.strip() or len(options) > 2 or prompts not in {"", "words", "tickets"}:
        raise BadSettings(f"mix part {part!r} cannot be read; {_FORM}")
    try:
        data_class = DataClass.parse(class_name) if class_name else None
    except ValueError as error:
        raise BadSettings(f"mix part {part!r}: {error}") from None
    return Share(name.strip(), _weight(part, number), data_class, "tickets" if prompts == "tickets" else "words")


def _weight(part: str, number: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise BadSettings(f"mix part {part!r}: its share {number!r} is no number above 0; {_FORM}")
    return weight
