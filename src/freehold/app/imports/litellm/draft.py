"""freehold.yaml while it is put together, and its text: every remark stands above the field it is about."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import yaml

from freehold.app.imports.litellm.fates import Path

_WIDTH = 128


class Draft:
    """Sections in the order of the file; `remark` puts a comment above a field."""

    def __init__(self) -> None:
        self.targets: dict[str, Mapping[str, Any]] = {}
        self.workloads: dict[str, dict[str, Any]] = {}
        self.bounds: dict[str, Any] = {}
        self.budgets: list[dict[str, Any]] = []
        self.limits: list[dict[str, Any]] = []
        self._remarks: dict[Path, str] = {}

    def remark(self, path: Path, text: str) -> None:
        """Say something above that field."""
        self._remarks[path] = text

    def text(self, heading: Sequence[str], key: Mapping[str, Any]) -> str:
        """The whole file, with one key for all callers."""
        sections: dict[str, Any] = {"version": 1, "keys": [key], "targets": self.targets, "workloads": self.workloads}
        sections |= {"bounds": self.bounds} if self.bounds else {}
        sections |= {"budgets": self.budgets} if self.budgets else {}
        sections |= {"limits": {"rules": self.limits}} if self.limits else {}
        lines = [f"# {line}".rstrip() for line in heading]
        for name, section in sections.items():
            lines += ["", *self._field((name,), section, 0)]
        return "\n".join(lines) + "\n"

    def _field(self, path: Path, value: Any, depth: int) -> Iterator[str]:
        indent = "  " * depth
        if path in self._remarks:
            yield from (f"{indent}# {line}" for line in _wrapped(self._remarks[path], _WIDTH - len(indent)))
        start = f"{indent}{_scalar(path[-1])}:"
        if isinstance(value, Mapping) and value:
            yield start
            for name, inner in value.items():
                yield from self._field((*path, name), inner, depth + 1)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield start
            for n, item in enumerate(value):
                inner_lines = [line for name, inner in item.items() for line in self._field((*path, n, name), inner, depth + 2)]
                first = next(at for at, line in enumerate(inner_lines) if not line.lstrip().startswith("#"))
                inner_lines[first] = f"{indent}  - {inner_lines[first].lstrip()}"
                yield from inner_lines
        else:
            yield f"{start} {_scalar(value)}"


def _scalar(value: Any) -> str:
    """One value, or a list of them, as YAML on one line."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, str) and not value.isprintable():
        return yaml.safe_dump(value, default_style='"', width=float("inf"), allow_unicode=False).strip()
    return yaml.safe_dump([value], default_flow_style=True, width=float("inf"), allow_unicode=False).strip()[1:-1]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.encode("ascii", "backslashreplace").decode("ascii").split():
        if len(lines[-1]) + len(word) + 1 > width - 2 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines
