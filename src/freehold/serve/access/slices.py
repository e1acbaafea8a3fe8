"""A slice of a budget: what one process may spend of it without asking, and until when."""


class Slice:
    """`free_nanousd` plus what open reservations hold is what its lease still has. Times are monotonic seconds."""

    def __init__(self, lease: str) -> None:
        self.lease = lease
        self.free_nanousd = 0
        self.open_nanousd = 0
        self.open = 0
        self.deadline = 0.0
        self._used = True

    @property
    def held_nanousd(self) -> int:
        """Free and reserved together."""
        return self.free_nanousd + self.open_nanousd

    def take(self, amount_nanousd: int, at: float) -> bool:
        """Reserve so much, where it is free and the slice is good."""
        if self.free_nanousd < amount_nanousd or at >= self.deadline:
            return False
        self.free_nanousd -= amount_nanousd
        self.open_nanousd += amount_nanousd
        self.open += 1
        self._used = True
        return True

    def put(self, amount_nanousd: int, cost_nanousd: int) -> None:
        """That reservation is over. One that cost more leaves less, and no debt once nothing is open."""
        self.open -= 1
        self.open_nanousd -= amount_nanousd
        self.free_nanousd += amount_nanousd - cost_nanousd
        if self.open == 0:
            self.free_nanousd = max(0, self.free_nanousd)

    def take_idle(self) -> int:
        """All that is free, where nothing was reserved since this was last asked."""
        used, self._used = self._used, False
        if used or self.free_nanousd <= 0:
            return 0
        amount, self.free_nanousd = self.free_nanousd, 0
        return amount
