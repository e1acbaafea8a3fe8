"""Amounts as people read them: money, volumes and shares, rounded for reading and never beyond what is true."""

from freehold.core.money import NANO, show


def money(nanousd: int) -> str:
    """Dollars; cents below one thousand, where they still matter."""
    return show(nanousd, 2 if abs(nanousd) < 1000 * NANO else 0)


def tokens(count: float) -> str:
    """A number of tokens with at most four digits: 652600000 -> '652.6 M'."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.99995 * size:
            return f"{count / size:.4g} {unit}"
    return f"{count:.0f}"


def percent(share: float) -> str:
    """A share of 1; never rounded up to all, nor down to nothing."""
    if share < 0.000005 or share >= 0.999995:
        return f"{share:.0%}"
    if 0.9995 <= share < 0.999995 or share < 0.0005:
        return f"{share:.3%}"
    return f"{share:.1%}"
