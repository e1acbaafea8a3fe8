"""A YAML document whose values know their lines, so that a mistake is told where it stands."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from freehold.core.errors import BadSettings

Place: TypeAlias = tuple[int | str, ...]

_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class LinedYaml:
    """One mapping read from a file, as plain values and as a tree."""

    def __init__(self, path: Path) -> None:
        """Raises BadSettings where it cannot be read, is no YAML or no mapping, or names a field twice."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            if not isinstance(root, yaml.MappingNode):
                raise BadSettings(f"{path}: expected a mapping with version, workload and graders")
            self._root: yaml.Node = root
            self._refuse_doubles(root)
            self.values: dict[str, Any] = yaml.SafeLoader("").construct_document(self._root)
        except OSError as error:
            raise BadSettings(f"cannot read {path}: {error.strerror}") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or " ".join(str(error).split())
            raise BadSettings(f"{path}{f':{mark.line + 1}' if mark else ''}: not YAML: {problem}") from None
        except (ValueError, RecursionError) as error:
            raise BadSettings(f"{path}: cannot be read: {' '.join(str(error).split())}; put text in quotes") from None

    def refuse(self, place: Place, message: str) -> BadSettings:
        """`FILE:LINE: field: what is wrong`, at the field, or at the nearest one around it that is there."""
        node, line = self._root, self._root.start_mark.line
        for step in place:
            inner = _inside(node, step)
            if inner is None:
                break
            node, line = inner
        field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        return BadSettings(f"{self.path}:{line + 1}: {f'{field}: ' if field else ''}{message}")

    def refuse_typed(self, place: Place, error: Exception) -> BadSettings:
        """The same for what msgspec says of the value at that place: its own path leads on from there."""
        told, _, path = str(error).partition(" - at `$")
        inner: Place = tuple(name or int(at) for name, at in _STEP.findall(path))
        if unknown := _UNKNOWN.search(told):
            inner, told = (*inner, unknown[1]), "unknown field"
        return self.refuse((*place, *inner), told)

    def _refuse_doubles(self, node: yaml.Node) -> None:
        children: Sequence[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in node.value:
                where = f"{self.path}:{key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode):
                    raise BadSettings(f"{where}: a field's name must be plain text")
                if key.value in seen:
                    raise BadSettings(f"{where}: {key.value!r} stands here a second time")
                seen.add(key.value)
            children = [value for _, value in node.value]
        for child in children:
            self._refuse_doubles(child)


def _inside(node: yaml.Node, step: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark.line) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None
