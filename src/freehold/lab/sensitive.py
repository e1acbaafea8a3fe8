"""Made-up sensitive values for prompts: right by their check digits, so that a scan finds them, and nobody's.

Card numbers and accounts are those that banks publish as examples and for tests, mail goes to domains kept for documentation
(RFC 2606), telephone numbers are of the range kept for fiction (555-01xx), the NHS number is one that is printed as an example.
"""

import random
from typing import Literal, TypeAlias, get_args

Label: TypeAlias = Literal["pii", "phi", "pci", "secret"]

_NAMES = "avery blake casey devon ellis frances jordan morgan quinn robin sasha taylor".split()
_CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444", "4012 8888 8888 1881", "3782 822463 10005")
_IBANS = ("DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32", "FR14 2004 1010 0505 0001 3M02 606")
_DISEASES = ("asthma", "epilepsy", "migraine", "type 2 diabetes")
_SENTENCES: dict[Label, tuple[str, ...]] = {
    "pii": ("Write to {name}@example.com.", "Reply to {name}@example.org or call +1 202 555 01{two}."),
    "pci": ("I paid with my card {card}.", "Please send it to my account {iban}."),
    "phi": (
        "The patient was diagnosed with {disease}, MRN {mrn}.",
        "NHS number 943 476 5919, I have been diagnosed with {disease}.",
    ),
    "secret": ("It runs on postgres://{name}:{word}@db.example.com/orders.",),
}  # fmt: skip
LABELS: tuple[Label, ...] = get_args(Label)
_OFTEN = (50, 20, 20, 10)


def sensitive_of(index: int, share: float) -> str | None:
    """A sentence with a value or two, for that share (0 to 1) of the indices; the same for the same index, else None."""
    source = random.Random(f"sensitive {index}")
    if source.random() >= share:
        return None
    (label,) = source.choices(LABELS, _OFTEN)
    return sentence(source, label)


def sentence(source: random.Random, label: Label) -> str:
    """One sentence whose values have that label."""
    return source.choice(_SENTENCES[label]).format(
        name=source.choice(_NAMES), two=f"{source.randint(0, 99):02}", card=source.choice(_CARDS), iban=source.choice(_IBANS),
        disease=source.choice(_DISEASES), mrn=source.randint(10_000_000, 99_999_999),
        word=f"{source.choice(_NAMES).title()}-{source.randint(1000, 9999)}",
    )  # fmt: skip
