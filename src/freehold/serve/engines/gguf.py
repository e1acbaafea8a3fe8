"""GGUF, the one-file format of llama.cpp's weights: just enough of it to refuse a file that is none, before anything loads."""

from pathlib import Path

from freehold.core.errors import BadSettings


def check_gguf(path: Path) -> None:
    """BadSettings naming the file and the mend, unless it is there, readable and begins as GGUF does."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except IsADirectoryError:
        raise BadSettings(f"model {path} is a directory; name the .gguf file in it") from None
    except FileNotFoundError:
        raise BadSettings(f"model {path} does not exist; give the path of a .gguf file") from None
    except OSError as error:
        raise BadSettings(f"model {path} cannot be read: {error.strerror}; give the path of a .gguf file") from None
    if magic != b"GGUF":
        raise BadSettings(f"model {path} is not a GGUF file (it begins with {magic!r}); convert it, or give another")
