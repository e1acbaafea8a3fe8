"""From a valid file to the guards of content: the way to every target, where media may come from, what is kept and where."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from freehold.app.config_file import ConfigFile
from freehold.app.credentials import read_secret
from freehold.app.floors import floor_of, removed_at_floor
from freehold.app.settings import TargetSettings
from freehold.core.data import DataClass, LabelRule
from freehold.core.errors import BadSettings
from freehold.core.target import Target, Workload
from freehold.serve.gateway.policy import Keep
from freehold.serve.stores.content import ContentStore
from freehold.serve.stores.content_cipher import read_key
from freehold.serve.transport.outbound import trust
from freehold.serve.transport.ways import Way, is_loopback, origin

_DAY_S = 86_400.0


def build_ways(
    file: ConfigFile, targets: Mapping[str, Target], workloads: Mapping[str, Workload], labels: Mapping[str, LabelRule]
) -> dict[str, Way]:
    """The way to every target, by origin. Raises BadSettings where data could be read, or led astray, on it."""
    ways: dict[str, Way] = {}
    for name, target in targets.items():
        spec = file.settings.targets[name]
        _refuse_open(file, target, _senders(target, workloads.values(), labels))
        _refuse_useless(file, target, spec)
        way = Way(_certificates(file, name, spec), spec.proxy)
        if ways.setdefault(origin(target.url), way) != way:
            wrong = f"another target at {origin(target.url)} has another ca or proxy; give both the same"
            raise file.refuse(("targets", name), wrong)
    return ways


def media_lists(file: ConfigFile) -> dict[str, frozenset[str]]:
    """The hosts media may come from, by target and workload. Raises BadSettings where the egress is allowed and no host is."""
    settings = file.settings
    lists = {name: frozenset(spec.media_hosts) for name, spec in (settings.targets | settings.workloads).items()}
    for name, target in settings.targets.items():
        uses = [name, *(w for w, workload in settings.workloads.items() if name in workload.targets)]
        if "remote_media" in target.egress and not any(lists[use] for use in uses):
            wrong = "remote_media is allowed and no host is; list media_hosts here or in a workload"
            raise file.refuse(("targets", name, "egress"), wrong)
    return {name: hosts for name, hosts in lists.items() if hosts}


def kept_content(file: ConfigFile) -> dict[str, Keep]:
    """What each workload keeps, by name. Raises BadSettings where there is no store to keep it in."""
    keeps = {name: spec.keep_content for name, spec in file.settings.workloads.items() if spec.keep_content is not None}
    for name in keeps if file.settings.content is None else ():
        raise file.refuse(("workloads", name, "keep_content"), "there is no content: section that says where it is kept")
    return {name: Keep(keep.ttl_days * _DAY_S, keep.sample, keep.up_to) for name, keep in keeps.items()}


def open_content(file: ConfigFile) -> ContentStore | None:
    """The content store of the configuration, if it has one. Raises BadSettings where it cannot be had."""
    if file.settings.content is None:
        return None
    return ContentStore(content_path(file, file.settings.content.path), master_key(file, file.settings.content.key))


def existing_content(file: ConfigFile) -> ContentStore:
    """The content store, which is there already. Raises BadSettings where it is not."""
    stated = file.settings.content
    if stated is None:
        raise BadSettings(f"{file.path}: there is no content: section, so no content is kept")
    if not content_path(file, stated.path).is_file():
        raise BadSettings(f"no content store at {content_path(file, stated.path)}; 'freehold serve' makes one")
    return ContentStore(content_path(file, stated.path), master_key(file, stated.key))


def content_path(file: ConfigFile, path: str) -> Path:
    """A relative path counts from the configuration's folder."""
    return file.path.parent / path


def master_key(file: ConfigFile, reference: str) -> bytes:
    """The key that opens the content store. Raises BadSettings."""
    place = ("content", "key")
    try:
        return read_key(read_secret(file, place, reference).reveal())
    except ValueError as error:
        raise file.refuse(place, str(error)) from None


class _Sender(NamedTuple):
    """A workload whose data may reach a target: the class it has at least, and whether the target is among its own. One that is
    not is reached too: as a migration's candidate, or as a judge."""

    floor: DataClass
    listed: bool
    workload: str


def _senders(target: Target, workloads: Iterable[Workload], labels: Mapping[str, LabelRule]) -> list[_Sender]:
    """The workloads that do not remove the target from every request."""
    reaching = (w for w in workloads if removed_at_floor(w, target, labels) is None)
    return [_Sender(floor_of(w, labels).handling.data_class, target.name in w.targets, w.name) for w in reaching]


def _refuse_open(file: ConfigFile, target: Target, senders: Sequence[_Sender]) -> None:
    """Confidential data crosses no wire in the clear, not to a private address either. What may be sent is what a workload
    sends at least, and whatever a key, a header or the content raises that to, up to the clearance."""
    parts = urlsplit(target.url)
    if parts.scheme == "https" or is_loopback(parts.hostname or "") or not senders or target.clearance < DataClass.confidential:
        return
    floor, listed, workload = max(senders)
    mend = "use https (with ca: for a certificate of your own), or loopback"
    way = "sends {} data there" if listed else "may send {} data there by a migration or to a judge"
    told = f"workload {workload!r} {way.format(floor.name)}"
    if floor < DataClass.confidential:
        told += f", which a key, a header or its content may raise to {target.clearance.name}, for which the target is cleared"
    if not any(sender.listed and sender.floor >= DataClass.confidential for sender in senders):
        mend += ", or clear it for internal"
    raise file.refuse(("targets", target.name, "url"), f"plain http to {parts.hostname}, and {told}: {mend}")


def _refuse_useless(file: ConfigFile, target: Target, spec: TargetSettings) -> None:
    """A proxy could read what is not https, and certificates would guard nothing there."""
    name, parts = target.name, urlsplit(target.url)
    tls, here = parts.scheme == "https", is_loopback(parts.hostname or "")
    if spec.proxy is not None and (here or not tls):
        raise file.refuse(("targets", name, "proxy"), "a proxy is for https to another machine; it could read anything else")
    if spec.ca is not None and not tls:
        raise file.refuse(("targets", name, "ca"), "certificates are for https; the url is http")


def _certificates(file: ConfigFile, name: str, spec: TargetSettings) -> str | None:
    if spec.ca is None:
        return None
    try:
        text = (file.path.parent / spec.ca).read_text(encoding="ascii")
        trust(text)
    except (OSError, ValueError) as error:
        raise file.refuse(("targets", name, "ca"), f"cannot use {spec.ca}: {getattr(error, 'strerror', None) or error}") from None
    return text
