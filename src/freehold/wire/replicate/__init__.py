"""Replicate's predictions, outbound: text in, text out, for requests that came in any dialect."""

from freehold.wire.replicate.compose import ReplicateComposer
from freehold.wire.replicate.follow import follow
from freehold.wire.replicate.verdict import verdict

__all__ = ["ReplicateComposer", "follow", "verdict"]
