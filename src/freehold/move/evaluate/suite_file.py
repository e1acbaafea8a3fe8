"""Suites as files: YAML with the graders and the judge, JSONL beside it with samples whose answer is known."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.evaluate.judge import JudgeSettings
from freehold.move.evaluate.kinds import KINDS
from freehold.move.evaluate.lined_yaml import LinedYaml, Place
from freehold.move.evaluate.sample import Reply
from freehold.move.evaluate.suite import JUDGE, Named, Right, Suite, request_digest

# Raised whenever a grader comes to say another thing of the same answer, so that the digests of suites change with it.
_GRADERS_VERSION = 1
_FIELDS = frozenset({"version", "workload", "reference", "samples", "graders", "judge"})
_OWN = frozenset({"name", "kind", "weight", "guardrail"})
_SAMPLE = '{"request": {...}, "reference": "..."}'


class _Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    request: msgspec.Raw
    reference: str | Reply


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every grader of a suite has."""

    name: str
    kind: str
    weight: float = 1.0
    guardrail: bool = False


def read_suite(path: Path) -> Suite:
    """Raises BadSettings with file, line and field."""
    file = LinedYaml(path)
    values = file.values
    for name in values:
        if name not in _FIELDS:
            raise file.refuse((name,), f"unknown field; known are {', '.join(sorted(_FIELDS))}")
    if values.get("version") != 1:
        raise file.refuse(("version",), "is not 1; write version: 1")
    judge = _typed(file, ("judge",), JudgeSettings) if "judge" in values else None
    graders = _graders(file, values.get("graders", []))
    if judge is None and all(one.guardrail for one in graders):
        raise file.refuse(("graders",), "nothing gives a score; give a grader that is no guardrail, or a judge")
    samples, asked, bytes_read = _samples(file) if "samples" in values else ({}, frozenset(), b"")
    digest = hashlib.sha256(bytes_read)
    digest.update(msgspec.json.encode([_GRADERS_VERSION, values, judge and judge.digest], order="sorted"))
    return Suite(
        workload=_typed(file, ("workload",), str), graders=graders, digest=digest.hexdigest()[:16], judge=judge,
        reference=_typed(file, ("reference",), Right) if "reference" in values else "given", references=samples, asked=asked,
    )  # fmt: skip


def reply_given(given: str | Reply) -> Reply:
    """A text stands for an answer of nothing else."""
    return Reply(given) if isinstance(given, str) else given


def _graders(file: LinedYaml, values: Any) -> tuple[Named, ...]:
    if not isinstance(values, list):
        raise file.refuse(("graders",), "is no list; give graders, each with name and kind")
    graders = [_grader(file, ("graders", at), value) for at, value in enumerate(values)]
    names: set[str] = {JUDGE}
    for at, one in enumerate(graders):
        if one.name in names:
            raise file.refuse(("graders", at, "name"), f"{one.name!r} is taken; give each grader a name of its own")
        names.add(one.name)
    return tuple(graders)


def _grader(file: LinedYaml, place: Place, value: Any) -> Named:
    if not isinstance(value, dict):
        raise file.refuse(place, "is no mapping; give name, kind and what that kind takes")
    try:
        head = msgspec.convert({name: given for name, given in value.items() if name in _OWN}, _Head)
    except msgspec.ValidationError as error:
        raise file.refuse_typed(place, error) from None
    if head.kind not in KINDS:
        raise file.refuse((*place, "kind"), f"no kind {head.kind!r}; known are {', '.join(KINDS)}")
    if not (math.isfinite(head.weight) and head.weight > 0):
        raise file.refuse((*place, "weight"), f"is {head.weight:g}; give a weight above 0, such as 1")
    try:
        grader = msgspec.convert({name: given for name, given in value.items() if name not in _OWN}, KINDS[head.kind])
    except msgspec.ValidationError as error:
        raise file.refuse_typed(place, error) from None
    except BadSettings as error:
        raise file.refuse(place, error.message) from None
    return Named(head.name, grader, head.weight, head.guardrail)


def _typed(file: LinedYaml, place: tuple[str], kind: Any) -> Any:
    if place[0] not in file.values:
        raise file.refuse(place, "is missing")
    try:
        return msgspec.convert(file.values[place[0]], kind)
    except msgspec.ValidationError as error:
        raise file.refuse_typed(place, error) from None
    except BadSettings as error:
        raise file.refuse(place, error.message) from None


def _samples(file: LinedYaml) -> tuple[Mapping[str, Reply], frozenset[frozenset[str]], bytes]:
    """Right answers by request, the fields that requests state, and the bytes they were read from; a relative path counts from
    the suite's folder."""
    path = file.path.parent / _typed(file, ("samples",), str)
    try:
        body = path.read_bytes()
    except OSError as error:
        raise file.refuse(("samples",), f"cannot read {path}: {error.strerror}") from None
    found: dict[str, Reply] = {}
    asked: set[frozenset[str]] = set()
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            sample = msgspec.json.decode(line, type=_Sample)
            digest, stated = request_digest(sample.request), msgspec.json.decode(sample.request)
        except (ValueError, RecursionError) as error:
            raise BadSettings(f"{path}:{number}: {error}; use a line like {_SAMPLE}") from None
        if digest in found:
            raise BadSettings(f"{path}:{number}: this request stands here a second time; give it one reference")
        found[digest] = reply_given(sample.reference)
        if isinstance(stated, dict) and stated:
            asked.add(frozenset(stated))
    return found, frozenset(asked), body
