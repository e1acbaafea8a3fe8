"""What a migration asks of the request line: a share of one workload for the target it moves to, and copies for it to answer."""

import hashlib
from typing import Literal, TypeAlias

import msgspec

Stage: TypeAlias = Literal["draft", "shadow", "canary", "live", "paused", "rolled_back"]

_WHOLE = float(2**64)


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's way to `target`. `share`, 0-1, of its requests go there first, and all of those of `offline_keys`; of the
    others `copied`, 0-1, are sent there once more after their caller has the answer, for `day_nanousd` a day at most; once it is
    live, of those answered by `target` to the former one. `step`: of the canary, -1 before it."""

    migration: str
    workload: str
    target: str
    stage: Stage
    step: int = -1
    share: float = 0.0
    copied: float = 0.0
    day_nanousd: int = 0
    offline_keys: frozenset[str] = frozenset()

    def of(self, key: str) -> "Assignment":
        """As it is for the requests of the key with that name."""
        return msgspec.structs.replace(self, share=1.0) if key in self.offline_keys else self

    def takes(self, request_id: str) -> bool:
        """Whether this request goes to the target first: the same for the same id, and still so once the share is larger."""
        return _drawn(f"{self.migration} {request_id}") < self.share

    def copies(self, request_id: str) -> bool:
        """Whether this request is among those that are sent there once more."""
        return _drawn(f"{self.migration} copy {request_id}") < self.copied


def _drawn(text: str) -> float:
    """In [0, 1), as good as random and always the same."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / _WHOLE
