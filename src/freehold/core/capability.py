"""What a request may ask of a model server beyond plain text, and what is known of the servers.

An answer of 200 proves nothing: some servers accept a field and do not honour it. That counts as absent.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Capability: TypeAlias = Literal[
    "tools",
    "single_tool_call",  # one at most, where that is asked; that there may be several is what every API does without a word
    "json_schema",  # enforced: the answer follows the schema whatever the model would have said
    "json_object",
    "vision",
    "audio",
    "logprobs",
    "choices",  # n above 1
    "stream_usage",  # never asked by a request: without it what a stream used is estimated
]
Capabilities: TypeAlias = Mapping[Capability, bool]

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
# A schema is asked for because a program reads the answer: a server that is not known to enforce one may not serve it.
MUST_BE_KNOWN: frozenset[Capability] = frozenset({"json_schema"})
