"""Read LiteLLM's config.yaml, and the files it includes, as plain values."""

from pathlib import Path
from typing import Any

import yaml

from freehold.core.errors import BadSettings

Values = dict[str, Any]


def read_config(path: Path) -> Values:
    """The whole configuration, included files merged in. Raises BadSettings with one line naming the file and what is wrong.

    Merged as LiteLLM merges: a list of an included file goes behind the list that is there, any other value replaces it.
    """
    values = _read(path)
    include = values.get("include", [])
    if not isinstance(include, list) or not all(isinstance(name, str) for name in include):
        raise BadSettings(f"{path}: include is no list of files; write include: [models.yaml]")
    for name in include:
        for key, value in _read(path.parent / name).items():
            there = values.get(key)
            if isinstance(there, list) and isinstance(value, list):
                values[key] = there + value
            elif isinstance(there, dict) and isinstance(value, dict):
                values[key] = there | value
            elif key != "include":
                values[key] = value
    if not isinstance(values.get("model_list"), list):
        raise BadSettings(f"{path} has no model_list; give LiteLLM's config.yaml (its logs: freehold import FILE)")
    return values


def _read(path: Path) -> Values:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise BadSettings(f"{path}: expected a mapping with model_list; give LiteLLM's config.yaml")
        _refuse_duplicates(path, node)
        found: Values = yaml.SafeLoader("").construct_document(node)
        return found
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no UTF-8 text"
        raise BadSettings(f"cannot read {path}: {reason}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadSettings(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}") from None
    except ValueError:  # a date that is none; its words could quote a secret
        raise BadSettings(f"{path}: a value cannot be read; put text in quotes") from None
    except RecursionError:
        raise BadSettings(f"{path}: nested too deeply, or an alias stands inside what it names") from None


def _refuse_duplicates(path: Path, node: yaml.Node) -> None:
    """YAML lets the last of two equal keys win in silence, and what is silent cannot be reported."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadSettings(f"{path}:{key.start_mark.line + 1}: a field's name must be plain text")
            if key.value in seen:
                raise BadSettings(f"{path}:{key.start_mark.line + 1}: {key.value!r} stands here a second time")
            seen.add(key.value)
            _refuse_duplicates(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(path, value)
