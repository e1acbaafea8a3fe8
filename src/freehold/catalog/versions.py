"""Whether a model's name stands for one version for good, or for whatever its owner puts behind it next."""

import re

# A full date, or a revision of at least seven hex digits behind an @. Four digits may be a context length as well as a month.
_DATED = re.compile(r"(?<!\d)20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])(?!\d)")
_REVISION = re.compile(r"@[0-9a-f]{7,64}")


def is_pinned(model: str) -> bool:
    """True where the name itself holds a full date or a revision's digest; False is not known, not proven otherwise."""
    return bool(_DATED.search(model.partition("@")[0]) or _REVISION.search(model.lower()))
