"""Money is an integer count of nano-dollars; decimals appear only where people read or write it."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

NANO = 1_000_000_000
MILLION = 1_000_000


def nanousd(dollars: Decimal | int | str) -> int:
    """Exact nano-dollars of an amount in dollars, rounded half to even. Raises ValueError on text that is no finite number."""
    try:
        amount = Decimal(dollars)
    except InvalidOperation:
        raise ValueError(f"not an amount of dollars: {dollars!r}") from None
    if not amount.is_finite():
        raise ValueError(f"not an amount of dollars: {dollars!r}")
    return int((amount * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))


def dollars(nano: int) -> Decimal:
    """The exact amount in dollars, e.g. 2500 -> Decimal('0.0000025')."""
    return Decimal(nano) / NANO


def show(nano: int, places: int = 2) -> str:
    """Text for people, with thousands separators: 1425000000000 -> '$1,425.00'."""
    sign = "-" if nano < 0 else ""
    return f"{sign}${abs(dollars(nano)):,.{places}f}"
