"""`freehold claim`: audit a published cost claim from its own inputs."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from freehold.app.cli.output import emit_json, out
from freehold.catalog.facts import Facts, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.claims.audit import Remedy
from freehold.plan.claims.claim import read_claim
from freehold.plan.claims.texts import Amount
from freehold.plan.claims.verdict import Audit, audit

app = App(name="claim", help="Audit a cost claim: does it follow from its own inputs, and can the hardware do it?")


@app.default
def claim(
    file: Path | None = None,
    *,
    example: str | None = None,
    listed: Annotated[bool, Parameter(name="--list", negative=())] = False,
    json: bool = False,
) -> int:
    """Recompute a cost claim. Exit code 0: it follows, 1: it does not or the hardware cannot, 2: bad input.

    Parameters
    ----------
    file
        The claim, as YAML; docs/explain/claims.md says how to write one.
    example
        A shipped claim by its name.
    listed
        List the shipped claims with their verdicts.
    json
        Print one JSON document; amounts are decimal text in the unit beside them.
    """
    if [file is not None, example is not None, listed].count(True) != 1:
        raise BadSettings("give a claim's FILE, or --example NAME, or --list")
    facts = load_facts()
    if listed:
        return _list(facts, json)
    made = audit_example(example, facts) if example is not None else _audit_file(file, facts)
    if json:
        emit_json(made)
    else:
        _show(made)
    return 0 if made.verdict == "follows" else 1


def examples() -> dict[str, Traversable]:
    """The shipped claims by name."""
    folder = resources.files("freehold.plan.claims") / "examples"
    return {f.name.removesuffix(".yaml"): f for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".yaml")}


def audit_example(name: str, facts: Facts) -> Audit:
    """Audit a shipped claim. Raises BadSettings naming those there are."""
    shipped = examples()
    if name not in shipped:
        raise BadSettings(f"no shipped claim is called {name!r}; use one of {', '.join(shipped)}")
    return audit(read_claim(shipped[name].read_text(encoding="utf-8"), name, facts), facts)


def _audit_file(file: Path | None, facts: Facts) -> Audit:
    assert file is not None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read the claim {file}: {error}") from None
    return audit(read_claim(text, str(file), facts), facts)


def _list(facts: Facts, json: bool) -> int:
    audits = {name: audit_example(name, facts) for name in examples()}
    if json:
        emit_json([{"name": n, "verdict": a.verdict, "kind": a.kind, "claim": a.claim} for n, a in audits.items()])
        return 0
    table = Table("name", "verdict", "claim")
    for name, made in audits.items():
        table.add_row(name, made.verdict, made.claim)
    out.print(table)
    return 0


def _show(made: Audit) -> None:
    out.print(f"[bold]{made.sentence}[/bold]", soft_wrap=True)
    out.print(f"Claim: {made.claim}\nSource: {made.source}; facts of {made.date}\nEquation: {made.law}", soft_wrap=True)
    checks = Table("asserted", "claimed", "recomputed", "holds", title="Recomputed", title_justify="left")
    for check in made.checks:
        checks.add_row(check.what, check.claimed.text, check.recomputed.text, "yes" if check.holds else "no")
    out.print(checks)
    if made.figures:
        figures = Table("figure", "value", "source", title="On the way", title_justify="left")
        for figure in made.figures:
            figures.add_row(figure.name, figure.value.text, figure.source)
        out.print(figures)
    if made.remedies:
        out.print(_remedies(made.remedies, "One input alone that would make it true"))
    if made.other_reading:
        reading = made.other_reading
        title = f"Read as {reading.as_if.text}, it {'follows' if reading.follows else 'does not follow either'}"
        out.print(_remedies(reading.remedies, title) if reading.remedies else f"{title}.")


def _remedies(remedies: list[Remedy], title: str) -> Table:
    ranged = any(remedy.at_low != remedy.at_high for remedy in remedies)
    headings = ("for the low end", "for the high end") if ranged else ("needed",)
    table = Table("input", "stated", *headings, title=title, title_justify="left")
    for remedy in remedies:
        needed = (remedy.at_low, remedy.at_high) if ranged else (remedy.at_low,)
        table.add_row(remedy.input, remedy.stated.text, *map(_text, needed))
    return table


def _text(needed: Amount | None) -> str:
    return "no value does it" if needed is None else needed.text
