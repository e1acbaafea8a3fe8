"""One request of a traffic trace: when it came and how long it was. No content."""

import msgspec


class TracedRequest(msgspec.Struct, frozen=True):
    """`at` in Unix seconds (a trace without a date counts from 0); token counts; prefix-block ids where the trace has them."""

    at: float
    input_tokens: int
    output_tokens: int
    prefix_blocks: tuple[int, ...] = ()
