"""A second opinion on a text: what it may say, what its answer adds to the findings, and what its silence adds.

An opinion only adds. It names labels, not places, so what it finds cannot be replaced by placeholders.
"""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from freehold.core.data import DataClass
from freehold.core.target import Target
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.scanner import Findings, higher

OnFailure: TypeAlias = Literal["block", "raise", "ignore"]


class NoOpinion(Exception):
    """There is none on this text. The message says why, and nothing of the text."""


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """What an opinion may say: `labels`, each with the class that it raises to; and how long it may take, in seconds.

    It is asked about `longest` characters at most: a longer text gets no opinion. `seen_by` is the owned target that the text is
    shown to; None: it stays on this machine.
    """

    name: str
    labels: Mapping[Label, DataClass]
    on_failure: OnFailure = "raise"
    deadline_s: float = 5.0
    longest: int = 20_000
    seen_by: Target | None = None


class Opinion(Protocol):
    """Somebody to ask."""

    mandate: Mandate

    async def labels(self, text: str) -> Collection[Label]:
        """The labels that the text deserves. Raises NoOpinion."""
        ...


def seconded(findings: Findings, mandate: Mandate, said: Collection[Label]) -> Findings:
    """The findings and what was said, as far as the mandate goes."""
    labels = {label: own for label, own in mandate.labels.items() if label in said}
    noted = {f"{mandate.name} {label}": 1 for label in labels}
    return msgspec.structs.replace(findings.with_unplaced(labels), opinions={**findings.opinions, **noted})


def unheard(findings: Findings, mandate: Mandate) -> Findings:
    """The findings where there was no opinion: to be refused, or raised as if everything had been said, or left as they are."""
    noted = {**findings.opinions, f"{mandate.name} failed": 1}
    found = msgspec.structs.replace(findings, opinions=noted)
    match mandate.on_failure:
        case "block":
            return msgspec.structs.replace(found, refused=(*findings.refused, mandate.name))
        case "raise":
            return msgspec.structs.replace(found, feared=higher(findings.feared, mandate.labels))
        case "ignore":
            return found
