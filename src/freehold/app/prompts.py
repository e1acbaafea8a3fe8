"""The prompt variants of a configuration, read whole: which one each workload's requests are asked in at each target."""

from collections.abc import Mapping
from typing import Literal

from freehold.app.config_file import ConfigFile, Location
from freehold.app.prompt_settings import PromptSettings, check_template, file_named
from freehold.app.settings import WorkloadSettings
from freehold.core.prompt import PARAMETERS, Variant, variant

_MOST_BYTES = 1024 * 1024


def configured_prompts(file: ConfigFile) -> dict[str, dict[str, Variant]]:
    """By workload and target, the variant that is chosen there. Raises BadSettings, also for one that nobody has chosen yet."""
    return {name: _chosen(file, name, spec) for name, spec in file.settings.workloads.items()}


def _chosen(file: ConfigFile, workload: str, spec: WorkloadSettings) -> dict[str, Variant]:
    made = {name: _variant(file, ("workloads", workload, "prompts", name), one) for name, one in spec.prompts.items()}
    where: Location = ("workloads", workload, "prompt")
    if spec.prompt is None:
        return {}
    by_target = dict.fromkeys(spec.targets, spec.prompt) if isinstance(spec.prompt, str) else spec.prompt
    for target, name in by_target.items():
        place = where if isinstance(spec.prompt, str) else (*where, target)
        if target not in spec.targets:
            raise file.refuse(place, f"{target!r} is no target of this workload; there are {', '.join(spec.targets)}")
        if name not in made:
            raise file.refuse(place, f"no variant {name!r} in prompts; there are {', '.join(made) or 'none'}")
        _refuse_embeddings(file, place, target)
    return {target: made[name] for target, name in by_target.items()}


def _refuse_embeddings(file: ConfigFile, place: Location, target: str) -> None:
    """Every maker calls its models for embeddings so. A request for embeddings of another model is refused when it comes."""
    spec = file.settings.targets.get(target)
    if spec is not None and "embed" in spec.model.lower():
        mend = "name the variants by target, and leave this one out"
        raise file.refuse(place, f"{target} serves embeddings ({spec.model}), which have no prompt; {mend}")


def _variant(file: ConfigFile, where: Location, spec: PromptSettings) -> Variant:
    parameters = {name: value for name in PARAMETERS if (value := getattr(spec.parameters, name)) is not None}
    texts: Mapping[str, str | None] = {name: _text(file, where, spec, name) for name in ("system", "template")}
    return variant(str(where[-1]), texts["system"], texts["template"], parameters)


def _text(file: ConfigFile, where: Location, spec: PromptSettings, name: Literal["system", "template"]) -> str | None:
    """The text that stands there, or in the file that it names, without that file's last line break."""
    stated: str | None = getattr(spec, name)
    path = None if stated is None else file_named(stated)
    if path is None:
        return stated
    place = file.path.parent / path
    try:
        body = place.read_bytes()
        if len(body) > _MOST_BYTES:
            raise ValueError(f"it has {len(body)} bytes; {_MOST_BYTES} are the most")
        text = body.decode().replace("\r\n", "\n").removesuffix("\n")
        if not text:
            raise ValueError("it is empty")
        if name == "template":
            check_template(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise file.refuse((*where, name), f"cannot use {place}: {reason}") from None
    return text
