"""The checklist as a part of the page: the verdict, the six answers with their grounds, what would change it. All of it escaped.

Three columns, so that it can be read on a phone; the deciding row is bold, so that it can be read in grey.
"""

from collections.abc import Iterable
from html import escape

from freehold.plan.verdict.checklist import Judgement, Step


def checklist_html(judgement: Judgement) -> str:
    """An HTML fragment; it stands on the styles of `page.html`."""
    rows = "".join(_row(step, decides=step.number == judgement.settled_by) for step in judgement.steps)
    return (
        f"<h3>The checklist: {escape(judgement.verdict)}</h3>"
        f'<p class="lead">{escape(judgement.headline)}</p>'
        "<table><thead><tr><th>Question</th><th>Answer</th><th>Why, and what it does</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f"{_listed('Why this verdict', judgement.reasons)}{_listed('What would change it', judgement.changes)}"
    )


def _row(step: Step, *, decides: bool) -> str:
    mark = ' class="best"' if decides else ""
    return (
        f"<tr{mark}><td>{step.number}. {escape(step.question)}</td>"
        f'<td>{escape(step.answer)}<div class="soft">{escape(step.source)}</div></td>'
        f'<td>{escape(step.reason)}<div class="soft">{escape(step.effect)}</div></td></tr>'
    )


def _listed(title: str, sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<h3>{escape(title)}</h3><ul>{items}</ul>" if items else ""
