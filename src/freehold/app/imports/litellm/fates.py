"""What became of every key of a file: one line each, and none without. A line names keys and the reason, never a value."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

Fate: TypeAlias = Literal["mapped", "approximated", "ignored"]
Path: TypeAlias = tuple[str | int, ...]

_UNKNOWN = "nothing here goes by this name"


class KeyFate(msgspec.Struct, frozen=True):
    """A key of the file, as `model_list[0].litellm_params.model`; what became of it; where it went, what differs, or why not."""

    key: str
    fate: Fate
    says: str


class Fates:
    """Collects what is said of keys; what is said of a section holds for everything under it of which nothing else is said."""

    def __init__(self) -> None:
        self._said: dict[Path, tuple[Fate, str]] = {}

    def mapped(self, path: Path, says: str) -> None:
        """It is in freehold.yaml and means the same."""
        self._said[path] = ("mapped", says)

    def approximated(self, path: Path, says: str) -> None:
        """It is in freehold.yaml and something differs; `says` what."""
        self._said[path] = ("approximated", says)

    def ignored(self, path: Path, says: str) -> None:
        """It is not in freehold.yaml; `says` why."""
        self._said[path] = ("ignored", says)

    def leave_out(self, path: Path, says: str) -> None:
        """The same of a whole entry, unless something of it was taken over under another name."""
        if not any(at[: len(path)] == path and len(at) > len(path) for at in self._said):
            self.ignored(path, says)

    def take(self, others: "Fates", path: Path) -> None:
        """Everything that `others` say of what stands under the path, in place of what was said of it as a whole."""
        self._said.pop(path, None)
        self._said |= others._said

    def lines(self, values: Mapping[str, Any]) -> list[KeyFate]:
        """One for each key of the file that holds a value, in its order."""
        return [KeyFate(shown(path), *self._of(path)) for path in leaves(values)]

    def _of(self, path: Path) -> tuple[Fate, str]:
        for end in range(len(path), 0, -1):
            if path[:end] in self._said:
                return self._said[path[:end]]
        return "ignored", _UNKNOWN


def leaves(values: Any, at: Path = ()) -> Iterator[Path]:
    """The path of everything that holds no further keys. A list of plain values is one value."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(values, dict):
        inner = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list) and any(isinstance(value, dict | list) for value in values):
        inner = list(enumerate(values))
    if not inner:
        yield at
    for key, value in inner:
        yield from leaves(value, (*at, key))


def shown(path: Path) -> str:
    """`model_list[0].litellm_params.model`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
