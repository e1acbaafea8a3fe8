"""The fault matrix as the table of docs/explain/faults.md; `python -m tests.e2e.fault_table` writes it there anew."""

from pathlib import Path

from .fault_cases import CASES, RECOVERY, Case, Expected, Mode  # relative: also run from the repository's root

PAGE = Path(__file__).parents[2] / "docs" / "explain" / "faults.md"
BEGIN, END = "<!-- the matrix: begin, generated from tests/e2e/fault_cases.py -->", "<!-- the matrix: end -->"
_MONEY = {"nothing": "costs nothing", "counted": "by its own count", "estimated": "estimated"}


def table() -> str:
    """One row a fault, or two where streams and whole answers differ."""
    lines = [
        "| fault | what happens | asked for | the caller gets | attempts, and what each costs | the target afterwards |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        modes: dict[str, Mode] = {"either": "streamed"}
        if case.streamed != case.whole or case.restart:
            modes = {"streamed": "streamed", "whole": "whole"}
        for asked, mode in modes.items():
            lines.append(_row(name, case, asked, mode))
        if case.holding is not None:
            lines.append(_row(name, case, "streamed, from a target that speaks Responses", "streamed", holds_all=True))
    told = "the right answer, every time", "the next target's while its breaker is open, then its own again", "open, then closed"
    lines.append(f"| `recovery` | {RECOVERY} | either | {' | '.join(told)} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with the table of now between its marks. Raises ValueError where those are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no marks for the table; put {BEGIN} and {END} around its place")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(name: str, case: Case, asked: str, mode: Mode, *, holds_all: bool = False) -> str:
    expected = case.expected(mode, holds_all=holds_all)
    attempts = ", then ".join(f"{outcome} ({_MONEY[money]})" for outcome, money in expected.attempts)
    gets = _gets(expected, again=case.restart and mode == "streamed")
    return f"| `{name}` | {case.about} | {asked} | {gets} | {attempts} | {expected.health} |"


def _gets(expected: Expected, *, again: bool) -> str:
    if again and expected.caller == "whole":
        return "the beginning, an event `freehold.restart`, then the right answer from the next target"
    if expected.caller == "whole":
        filtered = ", whose finish says so" if expected.finish == "filtered" else ""
        return f"the right answer{' from the next target' if len(expected.attempts) > 1 else ''}{filtered}"
    if expected.caller == "broken":
        return f"the beginning,{' an event `freehold.restart`,' if again else ''} then an error `{expected.code}`"
    return f"{expected.caller}{', in its own words' if expected.code == 'refused' else f' `{expected.code}`'}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
