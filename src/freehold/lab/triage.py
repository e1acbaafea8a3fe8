"""The lab's rule-based triage: answers its own tickets with their label, always right or as often as its name says.

`lab-triage` is always right, `lab-triage-70` on seventy of a hundred tickets, always the same ones.
"""

import hashlib
import re

from freehold.lab.tickets import LABELS, label_of

_NAME = re.compile(r"lab-triage(?:-(\d{1,2}))?(?:\+.*)?")


def triage(model: str, text: str) -> str | None:
    """The label that this model gives; None where the model is another, or the text no ticket."""
    named = _NAME.fullmatch(model)
    label = None if named is None else label_of(text)
    if named is None or label is None or named.group(1) is None:
        return label
    digest = hashlib.blake2b(f"{model}\0{text}".encode(errors="surrogatepass"), digest_size=4).digest()
    return label if digest[0] * 256 + digest[1] < int(named.group(1)) * 655.36 else LABELS[LABELS.index(label) - 1]
