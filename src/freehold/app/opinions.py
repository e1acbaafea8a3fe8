"""From the settings about second opinions to those who give them. What they judge may be anything, so it stays in the house."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from freehold.app.config_file import ConfigFile, Location
from freehold.app.credentials import read_secret
from freehold.app.sensitivity_settings import OpinionSettings
from freehold.app.settings import TargetSettings
from freehold.core.data import DataClass
from freehold.core.ports import Outbound
from freehold.core.target import Target
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.opinion import Mandate, Opinion
from freehold.serve.engines import ENGINES
from freehold.serve.opinions import presidio
from freehold.serve.opinions.classifier import Classifier
from freehold.serve.opinions.presidio import Presidio
from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.ways import Way, is_loopback, origin

_USUAL: dict[Label, DataClass] = {
    "pii": DataClass.confidential, "phi": DataClass.restricted, "pci": DataClass.restricted, "secret": DataClass.restricted,
}  # fmt: skip


def build_opinions(file: ConfigFile) -> tuple[Opinion, ...]:
    """Raises BadSettings for an adviser that is not there, or who is not to see every text."""
    stated = file.settings.sensitivity
    return tuple(_opinion(file, name, spec) for name, spec in (stated.opinions if stated else {}).items())


def _opinion(file: ConfigFile, name: str, spec: OpinionSettings) -> Opinion:
    place = ("sensitivity", "opinions", name)
    target = None if spec.target is None else _judge(file, (*place, "target"), spec.target)
    usual = {label: own for label, own in _USUAL.items() if spec.by != "presidio" or label != "secret"}
    mandate = Mandate(
        name=name, labels=spec.labels or usual, on_failure=spec.on_failure, deadline_s=spec.deadline_s, longest=spec.longest,
        seen_by=target,
    )  # fmt: skip
    if target is None:
        return _presidio(file, place, spec, mandate)
    native = ENGINES[target.codec].codec.natives["openai_chat"]
    reach = partial(_reached, target.url, _way(file, target.name), file.settings.bounds.connect_s)
    return Classifier(mandate, target, native, spec.part, reach)


def _presidio(file: ConfigFile, place: Location, spec: OpinionSettings, mandate: Mandate) -> Opinion:
    if spec.python is None and (needed := presidio.missing(spec.model)):
        raise file.refuse(place, f"Presidio is not there: {needed}")
    if spec.python is not None and shutil.which(spec.python) is None:
        raise file.refuse((*place, "python"), f"{spec.python} is no program; give the path of a Python interpreter")
    return Presidio(mandate, spec.language, spec.model, spec.least_score, spec.python)


def _judge(file: ConfigFile, place: Location, name: str) -> Target:
    """The target as a judge of texts sees it. Raises BadSettings where it may not see all of them."""
    spec = file.settings.targets.get(name)
    if spec is None:
        raise file.refuse(place, f"unknown target {name!r}; there are {', '.join(file.settings.targets)}")
    if spec.engine is None or spec.url is None:
        raise file.refuse(place, f"{name} is rented, and a text to be judged must not leave the house; name an owned target")
    if spec.clearance < DataClass.restricted:
        told = f"{name} is cleared for {spec.clearance.name}, and a text to be judged may hold restricted data"
        raise file.refuse(place, f"{told}; clear it for that or name another target")
    parts = urlsplit(spec.url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise file.refuse(place, f"plain http to {parts.hostname}, and every text goes there; use https or loopback")
    for who, regions in _regions(file):
        if not (spec.regions and set(spec.regions) <= set(regions)):
            runs = ", ".join(spec.regions) or "no stated region"
            told = f"{who} wants its data in {', '.join(regions)}, and {name} runs in {runs}"
            raise file.refuse(place, f"{told}; name a target that runs there")
    secret = None if spec.key is None else read_secret(file, ("targets", name, "key"), spec.key)
    return Target(
        name=name, kind="owned", codec=spec.engine, url=spec.url, model=spec.model, clearance=spec.clearance, secret=secret,
        regions=frozenset(spec.regions), labels=None if spec.labels is None else frozenset(spec.labels),
    )  # fmt: skip


def _regions(file: ConfigFile) -> Iterator[tuple[str, list[str]]]:
    """Who wants data where: every text is shown to the judge, whoever sends it."""
    for name, workload in file.settings.workloads.items():
        if workload.regions is not None:
            yield f"workload {name!r}", workload.regions
    for key in file.settings.keys:
        if key.regions is not None:
            yield f"key {key.name!r}", key.regions


def _way(file: ConfigFile, name: str) -> Way:
    """The way to that target; its certificates were found good when the ways to all targets were built."""
    spec: TargetSettings = file.settings.targets[name]
    return Way(None if spec.ca is None else (file.path.parent / spec.ca).read_text(encoding="ascii"), spec.proxy)


@asynccontextmanager
async def _reached(url: str, way: Way, connect_s: float) -> AsyncIterator[Outbound]:
    """A client for one question: who is asked belongs to a policy, and a policy has no end at which to close one."""
    async with DirectOutbound(connect_s=connect_s) as outbound:
        outbound.follow({origin(url): way})
        yield outbound
