"""A claim as a document states it, read into typed quantities and names that the catalog knows."""

import datetime as dt
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import msgspec
import yaml

from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.plan.claims.hardware import Hardware, HardwareText, read_hardware
from freehold.plan.claims.kinds import KINDS, Kind
from freehold.plan.claims.quantities import Gigabytes, Month, Quantity, Share, UsdPerHour, UsdPerMillionTokens
from freehold.plan.claims.texts import parse, parse_month

KindName: TypeAlias = Literal[
    "api_bill",
    "implied_price",
    "trigger_volume",
    "crossover",
    "staff_volume",
    "saving",
    "hosting_price",
    "serving",
    "catalog",
]
MIX: dict[str, type[Quantity]] = {"input": UsdPerMillionTokens, "output": UsdPerMillionTokens, "input_share": Share}
MOST_WITHIN = Fraction(1, 10)


class EquationClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A figure asserted to come out of given ones. `within`: how far, as a share of it, the figure may be rounded."""

    kind: str
    given: dict[str, Quantity]
    asserted: Quantity
    within: Fraction
    month: Month | None = None
    hardware: Hardware | None = None
    context: dict[str, Quantity] = {}

    @property
    def equation_kind(self) -> Kind:
        """What the kind's name stands for."""
        return KINDS[self.kind]


class CatalogClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance is said to have and to cost on a day (ISO date). What is None is not asserted."""

    provider: str
    instance: str
    day: str
    within: Fraction
    gpu: str | None = None
    memory: Quantity | None = None
    price: Quantity | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The words, who says them, the date of the facts, and what there is to audit."""

    text: str
    source: str
    date: str
    kind: KindName
    body: EquationClaim | CatalogClaim


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    claim: str
    source: str
    date: dt.date
    kind: KindName
    given: dict[str, Any] = {}
    asserts: dict[str, Any]
    month: Any = None
    within: Any = "1 %"
    hardware: HardwareText | None = None


def read_claim(text: str, name: str, facts: Facts) -> Claim:
    """Read one claim from YAML; `name` says where it came from. Raises BadSettings in one line: file, field, mend."""
    try:
        document = msgspec.convert(_loaded(text, name), _Document)
    except msgspec.ValidationError as error:
        raise BadSettings(f"{name}: {error}") from None
    try:
        body = _catalog(document, facts) if document.kind == "catalog" else _equation(document, facts)
    except BadSettings as error:
        raise BadSettings(f"{name}: {error.message}") from None
    return Claim(text=document.claim, source=document.source, date=document.date.isoformat(), kind=document.kind, body=body)


def _loaded(text: str, name: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a date that does not exist
        raise BadSettings(f"{name}: not YAML: {' '.join(str(error).split())}") from None


def _equation(document: _Document, facts: Facts) -> EquationClaim:
    kind = KINDS[document.kind]
    _expect_fields("given", document.given, needed=set(kind.given), known={*kind.given, *kind.context})
    _expect_fields("asserts", document.asserts, needed={kind.asserts}, known={kind.asserts})
    if kind.hardware == "must" and document.hardware is None:
        raise BadSettings(f"hardware is missing; a {document.kind} claim says model, machine and efficiency")
    if kind.hardware == "no" and document.hardware is not None:
        raise BadSettings(f"hardware has no meaning in a {document.kind} claim; leave it out")
    given: dict[str, Quantity] = {}
    for name, units in kind.given.items():
        given |= _given(name, document.given[name], units)
    context: dict[str, Quantity] = {}
    for name in document.given.keys() & kind.context:
        context |= _given(name, document.given[name], kind.context[name])
    field = f"asserts.{kind.asserts}"
    asserted = parse(document.asserts[kind.asserts], kind.units, field, negative=kind.asserts == "saving")
    if kind.asserts == "volume" and not asserted.high:
        raise BadSettings(f"{field} is 0; give a volume, such as {type(asserted).example}")
    return EquationClaim(
        kind=document.kind,
        given=given,
        asserted=asserted,
        within=_within(document),
        month=None if document.month is None else parse_month(document.month),
        hardware=read_hardware(document.hardware, facts) if document.hardware else None,
        context=context,
    )


def _given(name: str, stated: object, units: tuple[type[Quantity], ...]) -> dict[str, Quantity]:
    """One input by its name, or a price's three parts: input, output, and the share of the tokens that is input."""
    if name != "price" or not isinstance(stated, dict):
        return {name: parse(stated, units, f"given.{name}")}
    _expect_fields("given.price", stated, needed=set(MIX), known=set(MIX))
    return {f"price.{part}": parse(stated[part], (unit,), f"given.price.{part}") for part, unit in MIX.items()}


def _catalog(document: _Document, facts: Facts) -> CatalogClaim:
    for field, stated in (("hardware", document.hardware), ("month", document.month)):
        if stated is not None:
            raise BadSettings(f"{field} has no meaning in a catalog claim; leave it out")
    _expect_fields("given", document.given, needed={"instance", "day"}, known={"instance", "day"})
    _expect_fields("asserts", document.asserts, needed=set(), known={"gpu", "memory", "price"})
    provider, slash, instance = str(document.given["instance"]).partition("/")
    if not slash:
        raise BadSettings(f"given.instance is {provider!r}; write provider/instance, such as aws/p4d.24xlarge")
    day = document.given["day"]
    if not isinstance(day, dt.date):
        raise BadSettings(f"given.day is {day!r}; give the day, such as 2026-07-20")
    asserts = document.asserts
    if not asserts:
        raise BadSettings("asserts is empty; give one or more of gpu, memory, price")
    return CatalogClaim(
        provider=provider.strip().lower(),
        instance=instance.strip(),
        day=day.isoformat(),
        within=_within(document),
        gpu=facts.gpu(str(asserts["gpu"])).gpu if "gpu" in asserts else None,
        memory=parse(asserts["memory"], (Gigabytes,), "asserts.memory") if "memory" in asserts else None,
        price=parse(asserts["price"], (UsdPerHour,), "asserts.price") if "price" in asserts else None,
    )


def _within(document: _Document) -> Fraction:
    within = parse(document.within, (Share,), "within")
    if within.high > MOST_WITHIN:
        raise BadSettings(f"within is {document.within!r}; give at most 10 %, or nearly every claim follows")
    return within.high


def _expect_fields(section: str, stated: Mapping[Any, Any], *, needed: set[str], known: set[str]) -> None:
    for name in stated.keys() - known:
        raise BadSettings(f"{section} has the unknown field {name!r}; known: {', '.join(sorted(known)) or 'none'}")
    for name in sorted(needed - stated.keys()):
        raise BadSettings(f"{section}.{name} is missing; give {', '.join(sorted(needed))}")
