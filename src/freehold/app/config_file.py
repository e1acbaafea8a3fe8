"""Read `freehold.yaml`: the whole file is valid or refused, with the line of each mistake."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from freehold.app.settings import Settings
from freehold.core.errors import BadSettings

Location = tuple[int | str, ...]
_BITS = 64  # of a whole number that a line still shows


class ConfigFile:
    """A validated configuration, the digest that names it in every entry, and where each field stands in the file."""

    def __init__(self, path: Path, text: str) -> None:
        """Raises BadSettings with one line: file, line, field, what is wrong."""
        self.path = path
        self.version = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._root, values = _read(path, text)
        try:
            self.settings = Settings.model_validate(values)
        except ValidationError as error:
            # A misspelt field is also a missing one: the misspelling is what to look at.
            found = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
            problems = [self.place(e["loc"]) + _message(e["msg"], e["input"]) for e in found]
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise BadSettings(problems[0] + more) from None

    def place(self, loc: Location) -> str:
        """`freehold.yaml:12: targets.gpt-4o.clearance: ` for the start of a message."""
        node: yaml.Node = self._root
        line = node.start_mark.line
        for step in loc:
            inner = _child(node, step)
            if inner is None:
                break
            node, line = inner
        field = ".".join(str(step) for step in loc if not str(step).startswith("function-"))
        return f"{self.path}:{line + 1}: {field}: " if field else f"{self.path}:{line + 1}: "

    def node(self, loc: Location) -> yaml.Node | None:
        """What stands there in the file, with its marks; None: nothing."""
        node: yaml.Node = self._root
        for step in loc:
            inner = _child(node, step)
            if inner is None:
                return None
            node = inner[0]
        return node

    def refuse(self, loc: Location, message: str) -> BadSettings:
        """The error for a field that is well-formed and wrong all the same."""
        return BadSettings(self.place(loc) + message)


def load(path: Path) -> ConfigFile:
    """Raises BadSettings when the file is missing, unreadable, not YAML or not valid."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadSettings(f"no configuration at {path}; give one with -c, or see 'freehold demo'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read {path}: {error}") from None
    return ConfigFile(path, text)


def _read(path: Path, text: str) -> tuple[yaml.Node, object]:
    """The tree, which knows its lines, and its plain values."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise BadSettings(f"{path}: expected a mapping with version, keys, targets and workloads")
        _refuse_duplicates(path, node)
        return node, yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise BadSettings(f"{path}{line}: not YAML: {problem}") from None
    except ValueError as error:  # a date or a number that looks like one and is none
        raise BadSettings(f"{path}: a value cannot be read: {error}; put text in quotes") from None
    except RecursionError:
        raise BadSettings(f"{path}: nested too deeply, or an alias stands inside what it names") from None


def _refuse_duplicates(path: Path, node: yaml.Node) -> None:
    children: Sequence[yaml.Node] = ()
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadSettings(f"{path}:{key.start_mark.line + 1}: a field's name must be plain text")
            if key.value in seen:
                raise BadSettings(f"{path}:{key.start_mark.line + 1}: {key.value!r} stands here a second time")
            seen.add(key.value)
        children = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _refuse_duplicates(path, child)


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark.line) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None


def _message(pydantic_message: str, given: object) -> str:
    """Pydantic's words, less its own prefix; a number that was refused is repeated, a text is not: it may be a secret."""
    plain = {
        "Field required": "is missing",
        "Extra inputs are not permitted": "unknown field",
        "List should have at least 1 item after validation, not 0": "is empty; give at least one",
        "Dictionary should have at least 1 item after validation, not 0": "is empty; give at least one",
        "String should have at least 1 character": "is empty",
        "Unable to parse input string as an integer, exceeded maximum size": "Input should be a whole number, and not so large",
    }.get(pydantic_message, pydantic_message.removeprefix("Value error, "))
    small = isinstance(given, float) or (type(given) is int and given.bit_length() < _BITS)
    told = small and plain.startswith("Input should")
    return f"{plain}, and it is {given}" if told else plain
