"""Prompts for traced requests: as many words as the trace had tokens, the same for the same index, each with its own mark.

Where a trace names shared prefix blocks, requests that share a block share its words, so that a prefix cache has work to do.
"""

import random
from functools import lru_cache

from freehold.core.trace import TracedRequest
from freehold.lab.generation import WORDS

_BLOCK_TOKENS = 512


def ref_of(index: int) -> str:
    """The mark of a request, unique to its index; a lab answer begins with it."""
    return f"[ref:{index:x}-{random.Random(index).getrandbits(32):08x}]"


def prompt_of(index: int, request: TracedRequest) -> str:
    """Exactly `input_tokens` words (at least one), the last of them the mark."""
    filler = max(0, request.input_tokens - 1)
    words = [word for block in request.prefix_blocks for word in _block(block)][:filler]
    words += random.Random(f"prompt {index}").choices(WORDS, k=filler - len(words))
    return " ".join([*words, ref_of(index)])


@lru_cache(maxsize=4096)
def _block(block: int) -> tuple[str, ...]:
    return tuple(random.Random(f"block {block}").choices(WORDS, k=_BLOCK_TOKENS))
