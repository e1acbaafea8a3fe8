"""How one copy of a model lies on its GPUs: tensor, pipeline, and attention-data with expert parallelism."""

import re

import msgspec

_PART = re.compile(r"(DEP|TP|PP|EP)(\d+)")


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """`replicas` copies, each on tensor x pipeline x data GPUs.

    `data` > 1 means attention is copied to each of `data` GPUs, each with its own sequences, and the experts are spread over
    them (TensorRT-LLM writes it DEP). `expert` is how many groups the experts are spread over.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1
    replicas: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one copy."""
        return self.tensor * self.pipeline * self.data

    @property
    def name(self) -> str:
        """As people write it: TP2, TP4 PP2, DEP8, TP8 EP8, and the copies at the end: TP2 x4."""
        parts = [f"DEP{self.data}"] if self.data > 1 else [f"TP{self.tensor}"]
        parts += [f"PP{self.pipeline}"] if self.pipeline > 1 else []
        parts += [f"EP{self.expert}"] if self.expert > 1 and self.data == 1 else []
        parts += [f"x{self.replicas}"] if self.replicas > 1 else []
        return " ".join(parts)


def read_layout(text: str, gpus: int) -> Layout | None:
    """The layout a table states (`TP8,EP8`, `DEP4`), copied as often as the GPUs allow; None where it states none or too many."""
    parts = {kind: int(count) for kind, count in _PART.findall(text.upper())}
    if not parts:
        return None
    data = parts.get("DEP", 1)
    made = Layout(
        tensor=parts.get("TP", 1) if data == 1 else 1,
        pipeline=parts.get("PP", 1),
        data=data,
        expert=data if data > 1 else parts.get("EP", 1),
    )
    if made.gpus < 1 or gpus % made.gpus:
        return None
    return msgspec.structs.replace(made, replicas=gpus // made.gpus)
