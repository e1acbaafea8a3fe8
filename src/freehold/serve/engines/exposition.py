"""Read a few named series out of Prometheus text: what an engine's /metrics costs to watch twice a second.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4). Label values may hold any
character, so a sample's value is found from the closing quote on, not by splitting at spaces.
"""

import math
import re
from collections.abc import Collection

_SAMPLE = re.compile(
    r"""[ \t]*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
        (?:[ \t]*\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\}[ \t]*|[ \t]+)
        (?P<value>[^\s{}]+)(?:\s|$)""",
    re.VERBOSE,
)


def read_series(text: str, names: Collection[str]) -> dict[str, list[float]]:
    """The values of each named series, one per label set, in order. A name without a finite value is absent.

    Lines that are no samples (comments, blanks, torn ends) are passed over; NaN and infinities are no reading.
    """
    found: dict[str, list[float]] = {}
    for line in text.split("\n"):
        sample = _SAMPLE.match(line)
        if sample is None or sample["name"] not in names:
            continue
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        if math.isfinite(value):
            found.setdefault(sample["name"], []).append(value)
    return found
