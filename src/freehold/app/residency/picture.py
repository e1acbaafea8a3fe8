"""A picture of where data of each class went: a bar for each class, parted into own machines, rented targets and nowhere."""

from collections.abc import Sequence

from freehold.app.residency.document import ClassCount
from freehold.app.residency.words import counted
from freehold.plan.report.svg import BAND, INK, OWNED, RENTED, SOFT, box, picture, text

_LEFT, _WIDTH = 110, 340
_TOP, _BAR, _STEP = 40, 22, 46
_PARTS = (("owned", OWNED, "own machines only"), ("rented", RENTED, "a rented target"), ("nowhere", BAND, "sent nowhere"))


def class_picture(classes: Sequence[ClassCount]) -> str:
    """Shares of the requests of each class, with their numbers beside the bar, so that it can be read in grey."""
    parts, at = [], _LEFT
    for _, colour, words in _PARTS:
        parts += [box((at, 8, 12, 12), f'fill="{colour}"'), text(at + 18, 19, words)]
        at += 170
    said = []
    for row, count in enumerate(classes):
        top = _TOP + row * _STEP
        parts.append(text(_LEFT - 12, top + 17, count.data_class, anchor="end"))
        left, numbers = float(_LEFT), []
        for name, colour, words in _PARTS:
            requests: int = getattr(count, name)
            width = _WIDTH * requests / count.requests
            if requests:
                # A single request among millions is still to be seen.
                parts.append(box((left, top, max(width, 1.5), _BAR), f'fill="{colour}"', f"{requests:,} {words}"))
                numbers.append(f"{requests:,} {words}")
            left += width
        parts.append(text(_LEFT + _WIDTH + 10, top + 17, counted(count.requests), colour=INK))
        parts.append(text(_LEFT, top + _BAR + 12, "; ".join(numbers), colour=SOFT) if len(numbers) > 1 else "")
        said.append(f"{count.data_class}: {', '.join(numbers)}")
    height = _TOP + len(classes) * _STEP + 4
    return picture("Where data of each class went", "; ".join(said), "".join(parts), height=height)
