"""What is simulated: an engine's limits and the time of its steps, how many replicas of it, and when requests may leave it."""

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.law import StepLaw


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """One replica. KV memory is `kv_blocks` of `block_tokens`; a step runs at most `max_sequences` and `step_tokens` tokens.

    `prefix_tokens` is the size of the prefix blocks of a trace (Mooncake: 512), kept in the cache; 0: no prefix cache.
    `outside_s`: what a request spends before it comes; it counts in its times and takes no place. `admission_s`: what passes
    between its admission and the first step with its prompt; it has its place and its memory by then.
    """

    law: StepLaw
    kv_blocks: int
    block_tokens: int = 16
    max_sequences: int = 256
    step_tokens: int = 8192
    prefix_tokens: int = 0
    outside_s: float = 0.0
    admission_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("kv_blocks", "block_tokens", "max_sequences", "step_tokens"):
            if getattr(self, name) < 1:
                raise BadSettings(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.step_tokens < self.max_sequences:
            raise BadSettings(
                f"step_tokens is {self.step_tokens}, fewer than max_sequences ({self.max_sequences}); each decodes a token a step"
            )
        if self.prefix_tokens < 0 or self.prefix_tokens % self.block_tokens:
            raise BadSettings(
                f"prefix_tokens is {self.prefix_tokens}; give a multiple of block_tokens ({self.block_tokens}), or 0 for no cache"
            )
        for name in ("outside_s", "admission_s"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadSettings(f"{name} is {getattr(self, name):g}; give seconds of 0 or more")


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """`replicas` alike, as `targets` that the gateway knows; inside a target the replica with the fewest requests is chosen.

    A target is full at `concurrency` requests (None: not stated) or while its engines report a queue. `rented`: there is a
    rented target behind them; `spill`: full owned ones may be left for it.
    """

    replicas: int = 1
    targets: int = 1
    concurrency: int | None = None
    rented: bool = False
    spill: bool = False

    def __post_init__(self) -> None:
        if self.replicas < 1 or self.targets < 1 or self.replicas % self.targets:
            raise BadSettings(f"replicas is {self.replicas} in {self.targets} targets; give each target as many, 1 or more")
        if self.concurrency is not None and self.concurrency < 1:
            raise BadSettings(f"concurrency is {self.concurrency}; give 1 or more, or leave it out")


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """What a good answer keeps: seconds to its first token, and seconds per token after it."""

    ttft_s: float
    tpot_s: float

    def __post_init__(self) -> None:
        for name in ("ttft_s", "tpot_s"):
            if not getattr(self, name) > 0:
                raise BadSettings(f"{name} is {getattr(self, name):g}; give seconds above 0")
