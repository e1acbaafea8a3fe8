"""The command line: one file per command, loaded only when called. Exit codes: 0, 1 (the answer is no), 2 (bad input)."""

import sys
from keyword import iskeyword

from cyclopts import App, CycloptsError

from freehold import __version__
from freehold.core.errors import BadSettings

app = App(name="freehold", version=__version__, help="Rent LLMs until owning wins, and move without breaking anything.")
for _name in ("serve", "check", "demo", "import", "plan", "claim", "replay", "engines", "lab", "keys", "ledger"):
    app.command(f"freehold.app.cli.{_name}{'_' if iskeyword(_name) else ''}:app", name=_name)


def main(argv: list[str] | None = None) -> None:
    """Entry point of the `freehold` command. A BadSettings becomes one line on stderr and exit code 2."""
    try:
        code = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    except BadSettings as error:
        print(f"freehold: {error.message}", file=sys.stderr)
        sys.exit(2)
    except CycloptsError as error:
        print(f"freehold: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
