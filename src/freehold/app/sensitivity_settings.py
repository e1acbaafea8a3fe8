"""The section of `freehold.yaml` about sensitive data found in the content of requests."""

from pydantic import Field

from freehold.app.section import Section


class SensitivitySettings(Section):
    """What is done about sensitive data that a scan finds. Without this section it is only noted: kinds and counts, in the
    ledger. With it, a label not named here raises the request to the class of the kinds found."""

    scan: bool = True
    """Whether the content of requests is scanned at all."""
    labels: dict[str, str] = Field({})
    """By label (`pii`, `phi`, `pci`, `secret`): `raise`, `raise CLASS`, `block`, `redact` or `note`."""
    patterns: list[str] = Field([])
    """Files with kinds of your own, relative to this one; in the form of the shipped kinds.yaml."""
