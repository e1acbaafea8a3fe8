"""Match the names people write to the names facts are filed under: aliases, hub ids, near misses."""

import difflib
import re
from collections.abc import Iterable, Mapping


def fold(name: str) -> str:
    """The form names are compared in: lower case, spaces and underscores as dashes."""
    return re.sub(r"[\s_]+", "-", name.strip().lower())


def near(name: str, known: Iterable[str], count: int = 4) -> list[str]:
    """Known names that look like `name`, best first; empty when none does."""
    by_fold = {fold(k): k for k in known}
    return [by_fold[m] for m in difflib.get_close_matches(fold(name), by_fold, n=count, cutoff=0.5)]


class Names:
    """Canonical names with their aliases; lookups ignore case and the kind of separator."""

    def __init__(self, canonical: Iterable[str], aliases: Mapping[str, Iterable[str]]) -> None:
        self._to: dict[str, str] = {fold(name): name for name in canonical}
        self._to |= {fold(alias): name for name, others in aliases.items() for alias in (name, *others)}

    def find(self, name: str) -> str | None:
        """The canonical name, or None."""
        return self._to.get(fold(name))

    def find_family(self, name: str, variants: frozenset[str]) -> str | None:
        """The longest known name that `name` extends only by variant words, numbers and versions, or None.

        `Qwen2.5-7B-Instruct-AWQ` is Qwen2.5-7B; `DeepSeek-R1-Distill-Llama-70B` is not DeepSeek-R1, nor `GLM-4.6` GLM-4.
        """
        text = fold(name).removesuffix(".gguf")
        for known in sorted((k for k in self._to if text.startswith(k)), key=len, reverse=True):
            # A dot straight after a name is a version of another family: V3.1 is not V3.
            glued, *words = text[len(known) :].split("-")
            if not glued and all(w in variants or _VERSION.fullmatch(w) for w in words):
                return self._to[known]
        return None


_VERSION = re.compile(r"v?\d+(\.\d+)?|q\d|[kmsl]|\d+bit")
