"""`freehold.probes.json`, beside the configuration: what targets were found to honour when they were asked.

A finding counts for the target it was made at: once its server, address or model is another, it is no longer looked at.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from freehold.app.whole_file import write_whole
from freehold.core.capability import Capabilities, Capability
from freehold.core.errors import BadSettings
from freehold.core.target import Target

FILE_NAME = "freehold.probes.json"
Verdict: TypeAlias = Literal["honoured", "refused", "ignored", "unclear"]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a target took one request: `refused` with an error, `ignored` with a 200. `unclear` says nothing."""

    verdict: Verdict
    detail: str


class Probed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One target as it was found, when (ISO, UTC), and which version its engine said it is (None: it did not say)."""

    server: str
    url: str
    model: str
    at: str
    version: str | None
    findings: dict[Capability, Finding]

    def is_about(self, target: Target) -> bool:
        """Whether the target is still the one that was asked."""
        return (self.server, self.url, self.model) == (target.codec, target.url, target.model)

    def capabilities(self) -> Capabilities:
        """What it honours and what not. Accepted and not honoured is absent; unclear is left out."""
        return {name: found.verdict == "honoured" for name, found in self.findings.items() if found.verdict != "unclear"}


class Probes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file, by target."""

    version: Literal[1]
    targets: dict[str, Probed]


class ProbeRecord(msgspec.Struct, frozen=True):
    """The file as read."""

    targets: Mapping[str, Probed]

    def of(self, target: Target) -> Probed | None:
        """What was found at this target, if it is still the same."""
        probed = self.targets.get(target.name)
        return probed if probed is not None and probed.is_about(target) else None


def read_probes(config: Path) -> ProbeRecord:
    """The findings beside that configuration; none where the file is not there. Raises BadSettings on one that is none."""
    path = config.parent / FILE_NAME
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return ProbeRecord({})
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None
    try:
        probes = msgspec.json.decode(body, type=Probes)
    except ValueError as error:
        raise BadSettings(f"{path}: {error}; remove it, or have it written anew by 'freehold check --probe'") from None
    return ProbeRecord(probes.targets)


def write_probes(config: Path, targets: Mapping[str, Probed]) -> Path:
    """Replace the file beside that configuration whole, durably and at once; the path of it. Raises BadSettings."""
    path = config.parent / FILE_NAME
    text = msgspec.json.format(msgspec.json.encode(Probes(1, dict(sorted(targets.items())))), indent=2) + b"\n"
    write_whole(path, text.decode())
    return path
