"""Which loads to put on an engine: those the constants are fitted to, and others, held out, that they are checked on."""

import msgspec

from freehold.core.errors import BadSettings

_SLOTS_MOST = 512


class Lengths(msgspec.Struct, frozen=True):
    """Tokens of one kind of request."""

    input_tokens: int
    output_tokens: int


class PlannedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """So many callers who take these lengths in turns. `held_out`: not for the fit."""

    concurrency: int
    lengths: tuple[Lengths, ...]
    held_out: bool

    @property
    def name(self) -> str:
        """Loads of one name are repeats of each other."""
        return f"{'held out' if self.held_out else 'fitted'}, {self.concurrency} at once"


def planned_loads(slots: int, isl: int, osl: int) -> tuple[PlannedLoad, ...]:
    """Loads around an engine with so many slots, up to prompts of `isl` and answers of `osl` tokens.

    Fitted are 1, half of the slots, all, twice and three times as many callers with the four corners of the lengths; held out
    are three quarters, one and a half times and two and a half times as many, with lengths between. Raises BadSettings.
    """
    for name, value, least in (("slots", slots, 1), ("isl", isl, 16), ("osl", osl, 16)):
        if value < least:
            raise BadSettings(f"{name} is {value}; give {least} or more")
    if slots > _SLOTS_MOST:
        raise BadSettings(f"slots is {slots}; a sweep goes up to {_SLOTS_MOST}; measure one replica of it")
    corners = tuple(Lengths(a, b) for a, b in ((isl // 4, osl), (isl, osl // 4), (isl, osl), (isl // 4, osl // 4)))
    between = (Lengths(isl // 2, 3 * osl // 4), Lengths(3 * isl // 4, osl // 2))
    fitted = sorted({1, max(1, slots // 2), slots, 2 * slots, 3 * slots})
    others = sorted({max(2, 3 * slots // 4), 3 * slots // 2, 5 * slots // 2} - set(fitted)) or [4 * slots]
    return tuple(PlannedLoad(concurrency=callers, lengths=corners, held_out=False) for callers in fitted) + tuple(
        PlannedLoad(concurrency=callers, lengths=between, held_out=True) for callers in others
    )
