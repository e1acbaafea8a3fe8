"""When everything is held: whether to wait for the first target to come back, and what to say where that takes too long."""

from collections.abc import Sequence

from freehold.core.decision import Candidate
from freehold.core.errors import TargetsExhausted


def hold_for(candidates: Sequence[Candidate], most_s: float) -> float | None:
    """Seconds to wait before deciding again; 0 where one may be tried now; None where none comes back within `most_s`."""
    wait_s = back_in(candidates)
    return wait_s if wait_s <= max(0.0, most_s) else None


def all_held(candidates: Sequence[Candidate]) -> TargetsExhausted:
    """The error for a request that no target may be asked yet: it says when to come again, to people and to SDKs."""
    told = "; ".join(f"{c.target.name}: {c.reason}" for c in candidates)
    return TargetsExhausted(f"every allowed target is held ({told})", status=503, retry_after_s=back_in(candidates))


def back_in(candidates: Sequence[Candidate]) -> float:
    """Seconds until the first of them may be tried; 0 where there is none, since waiting brings none."""
    return min((candidate.held_s for candidate in candidates), default=0.0)
