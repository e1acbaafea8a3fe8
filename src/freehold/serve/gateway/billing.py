"""What one attempt will cost on the bill: its usage, or a local count where none came, times the price of the day."""

from freehold.core.entry import Attempt
from freehold.core.usage import Usage, estimate_tokens
from freehold.rules.price import cost_nanousd


def bill(attempt: Attempt, input_bytes: int, text_bytes: int, content_events: int) -> None:
    """Fill in usage and cost.

    A target that began to answer, or whose caller left while it worked, bills even where no usage came: that is counted here,
    four bytes a token and at least one token per content event, and marked estimated.
    """
    if attempt.usage is None and (attempt.status == 200 or attempt.outcome == "cancelled"):
        output = max(content_events, estimate_tokens(text_bytes))
        attempt.usage = Usage(input_tokens=estimate_tokens(input_bytes), output_tokens=output, source="estimated")
    if attempt.usage is not None and attempt.price is not None:
        attempt.cost_nanousd = cost_nanousd(attempt.price, attempt.usage)
