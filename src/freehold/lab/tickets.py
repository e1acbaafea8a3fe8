"""Synthetic support tickets with the label each belongs to: a workload whose answers can be checked.

The phrases are those the bundled ticket model was trained on; changing one changes what it is asked.
"""

import random
import re

_GREETINGS = ("Hi,", "Hello team,", "Good morning,", "Hey,", "To whom it may concern,", "Dear support,", "")
_THINGS = "invoice order laptop account subscription parcel router licence card dashboard report phone".split()
_CLOSINGS = ("Thanks.", "Please advise.", "This is urgent.", "Kind regards.", "I have been waiting for days.", "Let me know.", "")
_COMPLAINTS = {
    "billing": (
        "I was charged twice for my {thing}",
        "the amount on my {thing} bill is wrong",
        "why is there an extra fee on the {thing}",
        "my payment for the {thing} failed but money left the bank",
        "please correct the charge on my {thing}",
    ),
    "refund": (
        "I want my money back for the {thing}",
        "please refund the {thing}",
        "I returned the {thing} and need a refund",
        "when will the refund of my {thing} arrive",
        "cancel and reimburse the {thing}",
    ),
    "login": (
        "I cannot sign in to my {thing}",
        "the password for my {thing} does not work",
        "I am locked out of the {thing}",
        "the reset link for the {thing} never comes",
        "two factor code fails for my {thing}",
    ),
    "shipping": (
        "my {thing} has not arrived",
        "where is my {thing}, tracking shows nothing",
        "the {thing} was delivered to the wrong address",
        "the courier lost my {thing}",
        "delivery of the {thing} is late",
    ),
    "bug": (
        "the {thing} page crashes when I click save",
        "I get error 500 on the {thing}",
        "the {thing} freezes after the update",
        "an exception appears when opening the {thing}",
        "the {thing} screen stays blank",
    ),
    "feature": (
        "could you add dark mode to the {thing}",
        "it would be great if the {thing} had export",
        "I suggest a new option for the {thing}",
        "please support sharing the {thing}",
        "my wish for the {thing} is a mobile app",
    ),
    "cancel": (
        "I want to close my {thing}",
        "stop my {thing} from renewing",
        "please terminate the {thing} today",
        "end my {thing} contract",
        "how do I unsubscribe from the {thing}",
    ),
    "praise": (
        "I love the new {thing}",
        "great job on the {thing}",
        "the {thing} works perfectly, well done",
        "thank you for fixing the {thing} so fast",
        "your {thing} team is wonderful",
    ),
}
LABELS = tuple(_COMPLAINTS)
PHRASES = 5  # of each label


def ticket(source: random.Random, phrases: int = PHRASES) -> tuple[str, str]:
    """(text, label) of a ticket in one of the first `phrases` of its label; the same state of `source` gives the same ticket."""
    label = source.choice(LABELS)
    complaint = source.choice(_COMPLAINTS[label][:phrases]).format(thing=source.choice(_THINGS))
    details = ("", f" ref {source.randint(1000, 99999)}", f" on {source.randint(1, 28)} May", " again", " since yesterday")
    sentence = f"{complaint}{source.choice(details)}."
    parts = (source.choice(_GREETINGS), sentence, source.choice(_CLOSINGS))
    return " ".join(part for part in parts if part), label


def label_of(text: str) -> str | None:
    """The label of a ticket, by the phrases; None where it is none of these."""
    for label, pattern in _PATTERNS:
        if pattern.search(text):
            return label
    return None


_PATTERNS = tuple(
    (label, re.compile("|".join(re.escape(phrase).replace(r"\{thing\}", r"\w+") for phrase in phrases)))
    for label, phrases in _COMPLAINTS.items()
)
