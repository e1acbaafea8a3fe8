"""Choose another prompt variant in `freehold.yaml`: that one value changes where it stands, and nothing else of the file does."""

from pathlib import Path

import msgspec
import yaml

from freehold.app.config_file import ConfigFile, Location
from freehold.app.prompts import configured_prompts
from freehold.app.whole_file import write_whole
from freehold.core.errors import BadSettings
from freehold.core.prompt import Variant


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed. `before` and `after` are releases; the same where nothing had to be. `version`: of the file now."""

    workload: str
    targets: tuple[str, ...]
    before: str
    after: str
    changed: bool
    version: str


def switch_prompt(path: Path, workload: str, variant: str, target: str | None = None) -> Switched:
    """Write the file anew with that variant chosen, at every target of the workload or at this one. Raises BadSettings, and
    leaves the file as it was, where the variant is unknown, its name stands for more than this, or the file is not valid."""
    text = _read(path)
    before = ConfigFile(path, text)
    where = _place(before, workload, target)
    known = before.settings.workloads[workload].prompts
    if variant not in known:
        raise before.refuse(where, f"no variant {variant!r} in prompts; there are {', '.join(known) or 'none'}")
    chosen = configured_prompts(before)[workload]
    places = tuple(chosen) if target is None else (target,)
    after = ConfigFile(path, _with_value(before, text, where, variant))
    if _dump(after, where) != _dump(before, where):
        raise before.refuse(where, "other fields share its value, by an alias or a merge; write the variant's name there first")
    released = configured_prompts(after)[workload][places[0]]
    was: Variant = chosen[places[0]]
    if after.version != before.version:
        write_whole(path, _with_value(before, text, where, variant))
    return Switched(
        workload=workload, targets=places, before=was.release, after=released.release,
        changed=after.version != before.version, version=after.version,
    )  # fmt: skip


def _place(file: ConfigFile, workload: str, target: str | None) -> Location:
    """Where the value stands. Raises BadSettings where there is none, or more than one and no word on which."""
    spec = file.settings.workloads.get(workload)
    if spec is None:
        raise BadSettings(f"no workload {workload!r} in {file.path}; there are {', '.join(file.settings.workloads)}")
    where: Location = ("workloads", workload, "prompt")
    if spec.prompt is None:
        raise file.refuse(where[:-1], "it has no prompt to switch; choose one of its prompts there first, such as prompt: v1")
    if isinstance(spec.prompt, str):
        if target is not None:
            raise file.refuse(where, f"one variant stands there for all targets; leave --target {target} out, or name them there")
        return where
    if target is None:
        raise file.refuse(where, f"each target has its own; say --target with one of {', '.join(spec.prompt)}")
    if target not in spec.prompt:
        raise file.refuse(where, f"{target!r} has none there; there are {', '.join(spec.prompt)}")
    return (*where, target)


def _with_value(file: ConfigFile, text: str, where: Location, value: str) -> str:
    """The text with that value there, in the quotes that it had. Raises BadSettings."""
    node = file.node(where)
    if not isinstance(node, yaml.ScalarNode) or node.style not in (None, "'", '"'):
        raise file.refuse(where, "it is not written as a plain name; write it on the line of its field")
    quote = node.style or ("" if isinstance(yaml.safe_load(value), str) else "'")  # `on` is true, and `null` is nothing
    return text[: node.start_mark.index] + quote + value + quote + text[node.end_mark.index :]


def _dump(file: ConfigFile, where: Location) -> object:
    """All settings but that value."""
    values = file.settings.model_dump()
    inner: object = values
    for step in where[:-1]:
        assert isinstance(inner, dict)
        inner = inner[step]
    assert isinstance(inner, dict)
    inner[where[-1]] = None
    return values


def _read(path: Path) -> str:
    """With the line ends that it has. Raises BadSettings."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise BadSettings(f"no configuration at {path}; give one with -c") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read {path}: {error}") from None
