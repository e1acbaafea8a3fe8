"""What a request's content is found to hold: evidence for the entry, one more party that tightens, placeholders for the rented.

Under one policy. The findings are kinds and counts; the values found stay in the request's own memory and end with it.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
import structlog

from freehold.core.data import Handling, Party
from freehold.core.errors import BadRequest, ContentBlocked
from freehold.core.request import Ask, Request
from freehold.core.target import Target
from freehold.rules.constraints import removed_by
from freehold.rules.sensitivity.actions import Actions, Demand
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import NoOpinion, Opinion, seconded, unheard
from freehold.rules.sensitivity.redactor import Redactor
from freehold.rules.sensitivity.restorer import Restorer
from freehold.rules.sensitivity.scanner import Findings, Scanner
from freehold.wire.content import Fields, Piece, texts

_IN_A_THREAD_BYTES = 64 * 1024  # a long text may take milliseconds, which others would wait for
# The rules about what a place may see; the others are about what it can do, and this asks nothing of what the request asks.
_ABOUT_DATA = frozenset({"data_class", "label", "region", "provider", "terms"})
_log = structlog.get_logger("freehold.gateway")


class Inspector(msgspec.Struct, frozen=True):
    """The scanner, what each workload does about findings (`usual` where it says nothing of its own), and who else is asked."""

    scanner: Scanner
    usual: Actions
    by_workload: Mapping[str, Actions] = {}
    opinions: tuple[Opinion, ...] = ()


class Inspection:
    """What one request was found to hold."""

    def __init__(self, inspector: Inspector | None = None, findings: Findings | None = None) -> None:
        self._inspector = inspector
        self.findings = findings or Findings()

    def kept(self, workload: str, handling: Handling) -> Handling:
        """How a copy of the content is to be handled: a copy holds what is redacted elsewhere, so that raises its class."""
        held = [self.findings.labels[label] for label in self._demand(workload).redacted]
        return msgspec.structs.replace(handling, data_class=max([handling.data_class, *held]))

    def evidence(self) -> dict[str, int]:
        """How many values of each kind, how much could not be read, and what second opinions said; never a value."""
        unscannable = {f"unscannable {kind}": n for kind, n in self.findings.unscannable.items()}
        return {**self.findings.counts, **unscannable, **self.findings.opinions}

    def party(self, workload: str) -> Party | None:
        """The content as one more party: the class it is raised to, the labels that raised it. None where it demands nothing."""
        demand = self._demand(workload)
        if not demand.raised:
            return None
        return Party("content", Handling(data_class=demand.data_class, labels=frozenset(demand.raised)))

    def refuse_blocked(self, workload: str) -> None:
        """Raises ContentBlocked where a label found is not to be sent anywhere; it names kinds, never values."""
        if self.findings.refused:
            raise ContentBlocked(f"without the second opinion of {', '.join(self.findings.refused)} nothing may be sent")
        if blocked := self._demand(workload).blocked:
            held = ", ".join(f"{count} {kind}" for kind, count in sorted(self.evidence().items()))
            raise ContentBlocked(f"the content holds what may not be sent ({', '.join(sorted(blocked))}): {held}")

    def shield(self, workload: str) -> "Shield | None":
        """Placeholders for what is to be redacted; None where nothing is."""
        redacted = self._demand(workload).redacted
        return Shield(self._inspector.scanner, redacted) if redacted and self._inspector is not None else None

    def _demand(self, workload: str) -> Demand:
        if self._inspector is None or not (self.findings.labels or self.findings.feared):
            return Demand()
        return self._inspector.by_workload.get(workload, self._inspector.usual).demand(self.findings)


Demanded: TypeAlias = Callable[[Inspection], Ask]


class Shield:
    """One request's placeholders: put in for rented targets only, and taken out of their answers."""

    def __init__(self, scanner: Scanner, labels: frozenset[Label]) -> None:
        self._scanner = scanner
        self._labels = labels
        self._redactor = Redactor(scanner, labels)
        self._redacted: Request | None = None

    def __repr__(self) -> str:
        return "Shield()"

    async def prepare(self, request: Request, targets: Sequence[Target]) -> None:
        """Redact, where one of these targets is to see it so. Raises BadRequest where it cannot be done: nothing is sent then."""
        if any(target.rented for target in targets):
            in_a_thread = _is_long(request.fields)
            fields = await asyncio.to_thread(self._redact, request) if in_a_thread else self._redact(request)
            self._redacted = msgspec.structs.replace(request, fields=fields)

    def towards(self, request: Request, target: Target) -> Request:
        """The request as this target may see it: an owned one sees it whole. Only after `prepare`."""
        if not target.rented:
            return request
        assert self._redacted is not None
        return self._redacted

    def restorer(self, target: Target) -> Restorer | None:
        """The way back for its answer; None where it saw no placeholder."""
        return self._redactor.restorer() if target.rented else None

    def _redact(self, request: Request) -> Fields:
        """The names of the request's own fields stay what they are, so none of them may be a value."""
        if not self._labels.isdisjoint(self._scanner.scan(_names(request.fields)).labels):
            raise BadRequest("the name of a field holds what is to be redacted; put it into a value")
        try:
            return self._redactor.redact(request.fields)
        except ValueError as error:
            raise BadRequest(f"the content cannot be redacted: {error}") from None


def inspected(request: Request, inspector: Inspector | None) -> Inspection:
    """Everything a text can be read from, scanned. Raises BadRequest on content that cannot be read."""
    if inspector is None:
        return Inspection()
    try:
        return Inspection(inspector, inspector.scanner.scan(itertools.chain(texts(request.fields), _names(request.fields))))
    except ValueError as error:
        raise BadRequest(f"the content cannot be scanned: {error}") from None


async def inspect(request: Request, inspector: Inspector | None, demanded: Demanded | None = None) -> Inspection:
    """The same, and a long text does not keep the others waiting; then the second opinions, all at once.

    `demanded` says what the parties demand for this content. An owned target that may not see it is not asked about it.
    """
    if inspector is None:
        return Inspection()
    content = (
        await asyncio.to_thread(inspected, request, inspector) if _is_long(request.fields) else inspected(request, inspector)
    )
    if not inspector.opinions:
        return content
    text = "\n".join(piece.text for piece in texts(request.fields) if isinstance(piece, Piece))
    ask = demanded(content) if demanded is not None else None
    answers = await asyncio.gather(*(_asked(opinion, text, ask) for opinion in inspector.opinions))
    findings = content.findings
    for opinion, said in zip(inspector.opinions, answers, strict=True):
        mandate = opinion.mandate
        findings = unheard(findings, mandate) if said is None else seconded(findings, mandate, said)
    return Inspection(inspector, findings)


async def _asked(opinion: Opinion, text: str, ask: Ask | None) -> Collection[Label] | None:
    """What it says; None where it says nothing in time, or may not be asked."""
    mandate = opinion.mandate
    try:
        if len(text) > mandate.longest:
            raise NoOpinion(f"the text is longer than {mandate.longest} characters")
        removed = removed_by(ask, mandate.seen_by) if ask is not None and mandate.seen_by is not None else None
        if removed is not None and removed.constraint in _ABOUT_DATA:
            raise NoOpinion(f"{removed.target} may not see it: {removed.constraint}")
        async with asyncio.timeout(mandate.deadline_s):
            return await opinion.labels(text)
    except (NoOpinion, TimeoutError) as error:
        problem = f"nothing within {mandate.deadline_s:g} s" if isinstance(error, TimeoutError) else str(error)
        _log.warning("no second opinion", opinion=mandate.name, problem=problem, then=mandate.on_failure)
        return None


def _is_long(fields: Fields) -> bool:
    return sum(len(memoryview(raw)) for raw in fields.values()) > _IN_A_THREAD_BYTES


def _names(fields: Fields) -> Iterator[Piece]:
    """The fields' own names, but those that are plain words. One that stands before a text may count twice."""
    return (Piece(name, name) for name in fields if not name.replace("_", "").isalpha())
