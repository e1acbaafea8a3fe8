"""The gate's confidence sequence in the terminal: a row for each of some moments, closing on the margin from both sides."""

from rich.text import Text

from freehold.move.migration.verdict import Point, Verdict, points

_ROWS, _COLUMNS = 14, 61
_LABEL = 10  # the number of pairs before each row


def chart(verdict: Verdict) -> Text:
    """Rows from few pairs (at least one) to many, difference owned - rented from left to right; it also reads without colour."""
    margin, shown = verdict.settings.margin, _some(verdict.sequence)
    reach = _reach(verdict)
    text = Text(no_wrap=True)
    text.append(f"{'pairs':>{_LABEL - 1}} " + _scale(margin, reach) + "\n")
    for point in shown:
        text.append(f"{point.n:>{_LABEL - 1},} ")
        for at, letter in enumerate(_row(point, margin, reach)):
            text.append(
                letter, style=_style(point, margin) if letter not in " ┊┃" else "red" if at == _at(-margin, reach) else "dim"
            )
        text.append("\n")
    text.append(f"{'':{_LABEL}}● mean of owned - rented in points, ├─┤ its bounds, ┃ the margin, ┊ equal")
    return text


def _some(sequence: tuple[Point, ...]) -> list[Point]:
    """So many moments that they fit, evenly among those kept, the last always."""
    if len(sequence) <= _ROWS:
        return list(sequence)
    return [sequence[round(place * (len(sequence) - 1) / (_ROWS - 1))] for place in range(_ROWS)]


def _reach(verdict: Verdict) -> float:
    """How far the picture goes to both sides of equal: the margin and the last bounds are in it."""
    last = verdict.sequence[-1]
    return min(1.0, max(0.02, 3 * verdict.settings.margin, 1.2 * max(abs(last.low), abs(last.high))))


def _at(difference: float, reach: float) -> int:
    """The column, also beyond the picture."""
    return round((difference + reach) / (2 * reach) * (_COLUMNS - 1))


def _row(point: Point, margin: float, reach: float) -> list[str]:
    row = [" "] * _COLUMNS
    row[_at(0.0, reach)] = "┊"
    row[_at(-margin, reach)] = "┃"
    low, high = _at(point.low, reach), _at(point.high, reach)
    for at in range(max(low, 0), min(high, _COLUMNS - 1) + 1):
        row[at] = "─" if row[at] == " " else row[at]
    row[max(0, min(low, _COLUMNS - 1))] = "├" if low >= 0 else "◂"
    row[max(0, min(high, _COLUMNS - 1))] = "┤" if high < _COLUMNS else "▸"
    mean = _at(point.mean, reach)
    if 0 <= mean < _COLUMNS:
        row[mean] = "●"
    return row


def _style(point: Point, margin: float) -> str:
    return "green" if point.low >= -margin else "red" if point.high <= -margin else ""


def _scale(margin: float, reach: float) -> str:
    """Both ends, the margin and equal; equal gives way where the two would touch."""
    row = [" "] * _COLUMNS
    for words, at in (
        ("0", _at(0.0, reach)),
        (points(-margin), _at(-margin, reach) - len(points(-margin)) + 1),
        (points(-reach), 0),
        (f"+{points(reach)}", _COLUMNS - len(points(reach)) - 1),
    ):
        if at >= 0 and all(letter == " " for letter in row[max(0, at - 1) : at + len(words) + 1]):
            row[at : at + len(words)] = words
    return "".join(row)
