"""The options of `freehold keys`, in groups: whose key it is and what it reaches, where it is kept, how long."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from freehold.app import config_file
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.config_file import ConfigFile
from freehold.app.ledgers import configured_ledger
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import Role
from freehold.serve.stores.key_records import Grants
from freehold.serve.stores.place import LedgerPlace

_DEFAULT = Path("freehold.yaml")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wished:
    """Whose key it is, and what it reaches. What is not said binds nothing."""

    team: str | None = None
    "Whose requests they are, for budgets, limits and the ledger."
    user: str | None = None
    "Who sends them, likewise."
    workloads: str | None = None
    "Which it may use, with commas between them."
    targets: str | None = None
    "Which it may use, likewise."
    models: str | None = None
    "Which it may use, by any name that a request may give them."
    classes: DataClass | None = None
    "The highest data class it may send."
    role: Role | None = None
    "It opens the admin API, and no model: viewer reads, operator may change the running state, admin everything."
    replays: Annotated[bool, Parameter(negative="")] = False
    "Its requests may say which time they stand for, as freehold replay does."
    expires: str | None = None
    "A day or time (UTC unless it says otherwise), or so long from now: 12h, 90d."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the keys are kept."""

    ledger: LedgerFlag | None = None
    "The ledger; where nothing is said, the one of the configuration."
    config: Annotated[Path | None, Parameter(alias="-c")] = None
    "The configuration file; freehold.yaml where neither is said."

    def file(self) -> ConfigFile | None:
        """The configuration, where one is named or needed. Raises BadSettings."""
        if self.config is None and self.ledger is not None:
            return None
        return config_file.load(self.config or _DEFAULT)

    def place(self, file: ConfigFile | None) -> LedgerPlace:
        """Where the ledger is. Raises BadSettings."""
        if self.ledger is not None:
            return self.ledger
        assert file is not None
        return configured_ledger(file)


def grants_of(wished: Wished, file: ConfigFile | None) -> Grants:
    """What the key is granted. Raises BadSettings at a name that the configuration, where there is one, does not have."""
    workloads, targets, models = (_names(text) for text in (wished.workloads, wished.targets, wished.models))
    if wished.role is not None and (workloads or targets or models or wished.classes or wished.replays):
        raise BadSettings(
            f"--role is {wished.role}: such a key opens no model; leave workloads, targets, models, classes and replays out"
        )
    if file is not None:
        _check("--workloads", workloads, file.settings.workloads)
        _check("--targets", targets, file.settings.targets)
    classes = None if wished.classes is None else wished.classes.name
    return Grants(
        team=wished.team, user=wished.user, workloads=workloads, targets=targets, models=models, classes=classes,
        replays=wished.replays,
    )  # fmt: skip


def expiry(text: str | None, now: float) -> float | None:
    """When the key ends, in Unix seconds. Raises BadSettings on what is no time, or one that is past."""
    if text is None:
        return None
    wrong = BadSettings(f"--expires is {text!r}; use a day such as 2027-01-31, a time, or so long from now, such as 90d")
    if re.fullmatch(r"\d+[smhd]", text):
        ends = now + seconds("--expires", text)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise wrong from None
        ends = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    if not now < ends < 1e11:
        raise wrong
    return ends


def seconds(flag: str, text: str) -> float:
    """So long. Raises BadSettings on what is no length of time."""
    if not re.fullmatch(r"\d{1,6}[smhd]", text):
        raise BadSettings(f"{flag} is {text!r}; use a whole number and s, m, h or d, such as 12h")
    return int(text[:-1]) * _UNITS[text[-1]]


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name for part in text.split(",") if (name := part.strip()))


def _check(flag: str, named: Collection[str] | None, known: Collection[str]) -> None:
    for unknown in sorted(set(named or ()) - set(known)):
        raise BadSettings(f"{flag}: unknown {unknown!r}; there are {', '.join(sorted(known))}")
