"""The report as one self-contained page for a customer's security review: no script, nothing loaded, prints well."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template

from freehold.app.residency.document import Destination, Doubt, Policy, Residency, Verdict
from freehold.app.residency.picture import class_picture
from freehold.app.residency.words import between, counted, moment, subject
from freehold.core.policy_facts import TargetFacts

VERDICTS: dict[Verdict, str] = {"allowed": "allowed", "violation": "violation", "not_provable": "not provable"}
_LONG = 20  # letters that are broken where there is no room
_WHERE = ("Class", "Labels", "Sent to", "Whose", "Model", "Regions", "Requests", "Attempts", "Verdict", "Policies")


def render_residency(made: Residency) -> str:
    """The page as text. Names and words of the ledger are escaped, wherever they came from."""
    template = Template((resources.files("freehold.app.residency") / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Residency report on {subject(made.asked)} {between(made)} (UTC)"),
        answer=escape(made.answer),
        about=escape(
            f"{counted(made.requests)} in {made.attempts:,} attempts, of the ledger {made.ledger}. Times are UTC and those of "
            f"receiving; the end is no part of the period. Made {moment(made.made_at)}; nothing was fetched when you opened it."
        ),
        picture=class_picture(made.classes) if made.classes else "",
        destinations=_table(_WHERE, [destination_cells(d) for d in made.destinations], (6, 7), _marks(made.destinations)),
        violations=_violations(made),
        refusals=_refusals(made),
        rules=_items(made.rules.values()),
        policies="".join(_policy(policy) for policy in made.policies) or "<p>None.</p>",
        doubts=_doubts(made.not_provable),
        beyond=_items(made.beyond),
        command=escape(made.command),
        read=escape(f"{made.seal.entries:,} entries, {made.seal.attempts:,} attempts"),
        sha256=escape(made.seal.sha256),
    )


def destination_cells(line: Destination) -> tuple[str, ...]:
    """A line of the table, as the terminal shows it too."""
    where = "not on record" if line.regions is None else ", ".join(line.regions) or "not stated"
    whose = "own machine" if line.kind == "owned" else f"rented from {line.provider or line.codec or 'a place not on record'}"
    return (
        line.data_class, labelled(line.labels), named(line.target, lab=line.lab), whose, line.model, where,
        f"{line.requests:,}", f"{line.attempts:,}", VERDICTS[line.verdict], ", ".join(line.policies),
    )  # fmt: skip


def labelled(labels: Sequence[str] | None) -> str:
    """Labels in words."""
    return "not on record" if labels is None else ", ".join(labels) or "none"


def named(target: str, *, lab: bool) -> str:
    """A target's name; a stand-in is said to be one."""
    return f"{target} (lab)" if lab else target


def _violations(made: Residency) -> str:
    if not made.violations:
        return ""
    rows = [(words(v.rule), v.told, f"{v.requests:,}", v.policy, ", ".join(v.evidence)) for v in made.violations]
    table = _table(("Rule", "What happened", "Requests", "Policy", "The first request ids"), rows, (2,))
    return f"<section><h2>Violations</h2>{table}</section>"


def _refusals(made: Residency) -> str:
    parts = []
    if made.ruled_out:
        rows = [(r.data_class, r.target, words(r.constraint), f"{r.requests:,}") for r in made.ruled_out]
        parts.append("<p>A constraint kept data of this class away from this target, so many times:</p>")
        parts.append(_table(("Class", "Target", "Constraint", "Requests"), rows, (3,)))
    if made.refusals:
        refused = [
            (r.data_class, labelled(r.labels), r.workload, told(r.because), f"{r.requests:,}", ", ".join(r.evidence))
            for r in made.refusals
        ]
        heads = ("Class", "Labels", "Workload", "Because", "Requests", "The first request ids")
        parts += ["<p>Refused, because no target was allowed; this data was sent nowhere:</p>", _table(heads, refused, (4,))]
    return "".join(parts) or "<p>No constraint had to act in this period.</p>"


def told(because: Iterable[tuple[str, str]]) -> str:
    """Targets and the constraints that removed them, in words."""
    return ", ".join(f"{target}: {words(constraint)}" for target, constraint in because)


def words(name: str) -> str:
    """The name of a rule or constraint, as one says it."""
    return name.replace("_", " ")


def _policy(policy: Policy) -> str:
    head = f"<h3>Policy {escape(policy.version)}</h3>"
    if policy.targets is None or policy.loaded_at is None:
        return f"{head}<p>Not on record; it served {counted(policy.requests)} of this report.</p>"
    heads = (
        "Target",
        "Whose",
        "Where",
        "Model",
        "Cleared for",
        "Regions",
        "Keeps data",
        "Trains on it",
        "BAA",
        "Labels",
        "Egress",
    )
    table = _table(heads, [_terms(facts) for facts in policy.targets], ())
    since = f"First loaded {moment(policy.loaded_at)}; it served {counted(policy.requests)} of this report."
    return f'{head}<p class="soft">{since}</p>{table}'


def _terms(facts: TargetFacts) -> tuple[str, ...]:
    days = facts.retention_days
    kept = "not stated" if days is None else "not at all" if days == 0 else f"{days} days"
    trains = {None: "not stated", True: "yes", False: "no"}[facts.trains_on_data]
    agreed = "yes" if facts.baa else "no"
    model = f"{facts.model} (fixed)" if facts.pinned else facts.model
    egress = ", ".join(f"{kind} up to {cleared}" for kind, cleared in facts.egress.items())
    owner = "own machine" if facts.kind == "owned" else facts.provider or facts.codec
    if facts.kind == "owned":
        kept = trains = agreed = "–"  # the operator is oneself
    return (
        named(facts.target, lab=facts.lab), owner, facts.host, model, facts.clearance, ", ".join(facts.regions) or "not stated",
        kept, trains, agreed, "not stated" if facts.labels is None else ", ".join(facts.labels) or "none",
        egress or "none",
    )  # fmt: skip


def _doubts(doubts: Sequence[Doubt]) -> str:
    shown = [f" For example {', '.join(doubt.evidence)}." if doubt.evidence else "" for doubt in doubts]
    items = _items(doubt.told + ids for doubt, ids in zip(doubts, shown, strict=True))
    return f"<ul>{items}</ul>" if items else "<p>Nothing: every request of the period could be judged.</p>"


def _marks(lines: Iterable[Destination]) -> list[str]:
    return ["bad" if line.verdict != "allowed" else "" for line in lines]


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: tuple[int, ...], marks: Sequence[str] = ()) -> str:
    if not rows:
        return "<p>Nowhere: no request of the period was sent to any target.</p>"
    head = "".join(f"<th{_look(place in numbers)}>{escape(name)}</th>" for place, name in enumerate(heads))
    body = ""
    for n, row in enumerate(rows):
        cells = (f"<td{_look(place in numbers, len(cell) > _LONG)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        body += f'<tr class="{marks[n] if marks else ""}">{"".join(cells)}</tr>'
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _look(number: bool, long: bool = False) -> str:
    return ' class="n"' if number else ' class="long"' if long else ""
