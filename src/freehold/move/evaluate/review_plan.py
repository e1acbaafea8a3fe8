"""Which pairs people look at: those over which graders disagree, and a uniform slice, each with a known probability.

Every draw comes from a hash of the seed and the pair's id, so a queue broken off goes on where it was, without a list kept.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.evaluate.judge import Arm
from freehold.move.evaluate.pair_file import ScoredPair

_UNIFORM = 0.4  # of the wanted number, drawn whatever the graders say: they may agree and be wrong
_NO_DISAGREEMENT = 1e-9  # in all: below it there is nothing to weigh pairs by
_STEPS = 2**64


class Item(msgspec.Struct, frozen=True):
    """One pair to look at; `probability`: of being chosen at all."""

    id: str
    content: str
    probability: float


def choose(pairs: Sequence[ScoredPair], size: int, seed: str) -> list[Item]:
    """About `size` of the pairs, in random order. Raises BadSettings on a size that cannot be."""
    if size < 1:
        raise BadSettings(f"size is {size}; give the number of pairs to look at, such as 100")
    chances = probabilities([disagreement(pair) for pair in pairs], size)
    drawn = [(pair, chance) for pair, chance in zip(pairs, chances, strict=True) if draw(seed, "chosen", pair.id) < chance]
    drawn.sort(key=lambda each: draw(seed, "order", each[0].id))
    return [Item(pair.id, pair.content, chance) for pair, chance in drawn]


def probabilities(disagreements: Sequence[float], size: int) -> list[float]:
    """Each pair's chance: that of the uniform slice or of its disagreement, two draws apart. They sum to `size` at most."""
    count, whole = len(disagreements), sum(disagreements)
    if whole < _NO_DISAGREEMENT:
        return [min(1.0, size / count)] * count
    uniform = min(1.0, _UNIFORM * size / count)
    scale = (1 - _UNIFORM) * size / whole
    return [1 - (1 - uniform) * (1 - min(1.0, scale * one)) for one in disagreements]


def disagreement(pair: ScoredPair) -> float:
    """From 0 to 1: how far apart graders are on which answer is better; 1 where a judge turned. With one grader alone: how far it
    tells the answers apart, for there its mistakes would count."""
    leanings = [marks.owned.value - marks.rented.value for marks in pair.graders.values()]
    if pair.judge is not None and pair.judge.turned:
        return 1.0
    if len(leanings) < 2:
        return abs(leanings[0]) if leanings else 0.0
    return (max(leanings) - min(leanings)) / 2


def left_arm(seed: str, ident: str, reviewer: str) -> Arm:
    """Whose answer stands left: by chance for each pair and reviewer, and the same whenever it is shown again."""
    return "owned" if draw(seed, f"left for {reviewer}", ident) < 0.5 else "rented"


def draw(seed: str, purpose: str, ident: str) -> float:
    """A number from 0 to below 1, the same for the same words."""
    digest = hashlib.sha256(msgspec.json.encode([seed, purpose, ident])).digest()
    return int.from_bytes(digest[:8]) / _STEPS
