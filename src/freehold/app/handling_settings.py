"""The sections of `freehold.yaml` about what must be true of a place that sees the data."""

from pydantic import Field

from freehold.app.section import Class, Lower, Section
from freehold.core.data import DataClass, Need


class ProvidersSettings(Section):
    """Which companies may see the data; owned targets are nobody else's and always may."""

    allow: list[Lower] | None = None
    """Only these; unset: any."""
    deny: list[Lower] = Field([])
    """None of these."""


class DemandsSettings(Section):
    """What must be known of a target. Keys and headers can only add to it; what is not known satisfies nothing."""

    retention_days: int | None = Field(None, ge=0)
    """The longest a rented target may keep prompts and answers; unset: no demand."""
    no_training: bool = False
    """A rented target must promise not to train on the data."""
    providers: ProvidersSettings = ProvidersSettings()
    """Who may run a rented target."""
    pinned: bool = False
    """The target's model must be one version that never changes."""


class LabelSettings(Section):
    """What a label asks. Known without a word here: pii (nothing), phi (owned or baa), pci and secret (owned or listed)."""

    needs: list[Need]
    """Any one of these must hold of the target: `owned`, `baa` (its terms), `listed` (its `labels` name it); empty: nothing."""
    data: Class = DataClass.public
    """The class that data with this label has at least."""
