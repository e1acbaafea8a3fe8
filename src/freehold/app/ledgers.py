"""Where the ledger is that `store:` or `--ledger` names, with a password read from where it points."""

from pathlib import Path

from freehold.app.config_file import ConfigFile
from freehold.app.credentials import secret_at
from freehold.core.errors import BadSettings
from freehold.core.target import Secret
from freehold.serve.stores.place import SCHEMES, LedgerPlace, postgres_place

_REFERENCES = ("postgresql+env:", "postgresql+file:")


def configured_ledger(file: ConfigFile) -> LedgerPlace:
    """Where the store setting points; a relative path counts from the configuration's folder. Raises BadSettings."""
    store = file.settings.store
    if store.startswith("sqlite:///"):
        return file.path.parent / store.removeprefix("sqlite:///")
    try:
        return named_ledger(store)
    except BadSettings as error:
        raise file.refuse(("store",), error.message) from None


def named_ledger(text: str) -> LedgerPlace:
    """What a person writes: a path, `sqlite:///` and a path, a URL of PostgreSQL, or `postgresql+env:NAME` or
    `postgresql+file:PATH` for where that URL is kept. Raises BadSettings."""
    if text.startswith(_REFERENCES):
        try:
            return postgres_place(secret_at(text.removeprefix("postgresql+")))
        except ValueError as error:
            raise BadSettings(str(error)) from None
        except BadSettings as error:
            raise BadSettings(f"{text}: {error.message}") from None
    if text.startswith(SCHEMES):
        return postgres_place(Secret(text))
    return Path(text.removeprefix("sqlite:///"))
