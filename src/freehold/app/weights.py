"""Where an engine's weights are: bundled with the package, on disk, or on the Hugging Face hub. And which ones they are.

The hub is asked only for a model that was named by its hub id; everything else works with the network cable out.
"""

import hashlib
import re
from contextlib import suppress
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from freehold.app.config_file import ConfigFile
from freehold.core.errors import BadSettings
from freehold.serve.engines.gguf import check_gguf
from freehold.serve.transport.ways import is_loopback

BUNDLED = {"tiny-tickets": "tiny-tickets-35k-q8_0.gguf"}
_HUB_ID = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(?::(?P<file>[\w./-]+\.gguf))?(?:@(?P<revision>[\w./-]+))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def resolve_model(ref: str) -> Path:
    """The GGUF file that `ref` names: a bundled name, a path, or `org/name[:file.gguf][@revision]` on the hub, downloaded once.

    BadSettings, naming the mend, where there is none, it is not GGUF, or the hub cannot be reached.
    """
    if ref in BUNDLED:
        return Path(str(resources.files("freehold.serve.engines").joinpath("data", BUNDLED[ref])))
    if hub := _hub_id(ref):
        found = _download(hub["repo"], hub["file"], hub["revision"])
        check_gguf(found)
        return found
    path = Path(ref).expanduser()
    if not ref or (path.name == ref and path.suffix != ".gguf" and not path.exists()):
        raise BadSettings(
            f"model {ref!r} is unknown; give {', '.join(BUNDLED)}, the path of a .gguf file, or org/name:file.gguf@revision"
        )
    check_gguf(path)
    return path.resolve()


def model_alias(ref: str) -> str:
    """What callers name the model by: the bundled name, the hub's `org/name`, or the file's name without its ending."""
    if ref in BUNDLED:
        return ref
    hub = _hub_id(ref)
    return hub["repo"] if hub else Path(ref).stem


def _hub_id(ref: str) -> re.Match[str] | None:
    """The parts of a hub id. What exists on disk, or looks like the path of a file, is none."""
    hub = _HUB_ID.fullmatch(ref)
    is_path = Path(ref).expanduser().exists() or (hub is not None and hub["repo"].endswith(".gguf"))
    return None if is_path else hub


def sha256_of(path: Path) -> str:
    """Hex digest of the whole file: which weights these are, whatever their name says."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_weights(file: ConfigFile) -> list[str]:
    """The targets whose weights were compared with a file on this machine. Raises BadSettings where they differ.

    The file is the one that `weights_file` names, or the bundled one of that name, where the target answers on this machine.
    """
    compared: list[str] = []
    for name, spec in file.settings.targets.items():
        if spec.weights is None:
            continue
        local = is_loopback(urlsplit(spec.url or "").hostname or "")
        path = resolve_model(spec.model) if spec.model in BUNDLED and local else None
        if spec.weights_file is not None:
            path = file.path.parent / Path(spec.weights_file).expanduser()
        if path is None:
            continue
        try:
            found = weights_of(path)
        except OSError as error:
            raise file.refuse(("targets", name, "weights_file"), f"cannot read {path}: {error.strerror}") from None
        if found != spec.weights:
            raise file.refuse(("targets", name, "weights"), f"{path} holds other weights; they are {found}")
        compared.append(name)
    return compared


def weights_of(path: Path) -> str:
    """The weights in a file, as settings and ledger name them."""
    return f"sha256:{sha256_of(path)}"


def _download(repo: str, file: str | None, revision: str | None) -> Path:
    """From the hub, at an exact commit. A commit and file that were downloaded before need no network."""
    try:
        from huggingface_hub import HfApi, errors, hf_hub_download  # noqa: PLC0415  an optional extra
    except ImportError:
        raise BadSettings(f"model {repo} is on the hub; install freehold[hub], or give the path of a .gguf file") from None
    # The hub's HTTP library has changed between its major versions; its own name for the base error has not.
    transport_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        if file is not None and revision is not None and _COMMIT.fullmatch(revision):
            with suppress(errors.LocalEntryNotFoundError):
                return Path(hf_hub_download(repo, file, revision=revision, local_files_only=True))
        info = HfApi().model_info(repo, revision=revision)
        file = file or _only_gguf(repo, [sibling.rfilename for sibling in info.siblings or ()])
        return Path(hf_hub_download(repo, file, revision=info.sha))
    except (transport_error, errors.EntryNotFoundError, errors.HFValidationError, OSError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BadSettings(f"model {repo} cannot be had from the hub: {reason}; give the path of a .gguf file") from None


def _only_gguf(repo: str, files: list[str]) -> str:
    ggufs = sorted(name for name in files if name.endswith(".gguf"))
    if len(ggufs) == 1:
        return ggufs[0]
    if not ggufs:
        raise BadSettings(f"model {repo} has no .gguf file; name a repository that has, or give the path of one")
    shown = ", ".join(ggufs[:5]) + (", ..." if len(ggufs) > 5 else "")
    raise BadSettings(f"model {repo} has {len(ggufs)} .gguf files; name one as {repo}:FILE, of {shown}")
