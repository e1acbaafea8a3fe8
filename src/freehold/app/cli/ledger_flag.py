"""`--ledger`: a file, or a database in the words of `store:`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from freehold.app.ledgers import named_ledger
from freehold.serve.stores.place import LedgerPlace, PostgresPlace


def _named(kind: object, tokens: Sequence[Token]) -> LedgerPlace:
    return named_ledger(tokens[0].value)


_PARAMETER = Parameter(converter=_named, accepts_keys=False, n_tokens=1, metavar="LEDGER")
LedgerFlag = Annotated[Path | PostgresPlace, _PARAMETER]
