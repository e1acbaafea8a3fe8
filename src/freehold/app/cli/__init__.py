"""The command line: one file per command, loaded only when called. Exit codes: 0, 1 (the answer is no), 2 (bad input)."""

import sys
from keyword import iskeyword

from cyclopts import App, CycloptsError

from freehold import __version__
from freehold.core.errors import BadSettings

app = App(name="freehold", version=__version__, help="Rent LLMs until owning wins, and move without breaking anything.")
_COMMANDS = {
    "demo": "The main job once, on this machine, on a real trace.",
    "serve": "Run the gateway until SIGTERM or Ctrl-C.",
    "check": "Check a configuration: fields, references, keys, prices, clearances, dead rules.",
    "explain": "Say in words where a request may go, where not, and why.",
    "import": "Import logs, usage exports, bills and traces into the ledger.",
    "plan": "What to own and what to rent, in dollars a month.",
    "calibrate": "Fit an owned engine's own constants to a short sweep, and check them.",
    "predict": "Output tokens per second of a model on owned GPUs.",
    "size": "How many of which GPU keep a promise on latency, and what that costs.",
    "claim": "Audit a cost claim: follows, does not follow, infeasible.",
    "ledger": "Read the ledger.",
    "gate": "May the owned model take over? A verdict on paired scores.",
    "grade": "Run a suite of graders over pairs of answers.",
    "review": "Compare answers blind, and see how far graders can be trusted.",
    "migrate": "Move a workload to another target: shadow, gate, canary, rollback.",
    "releases": "Which prompt variant and model served when, and switching back.",
    "content": "Show, erase and guard the content that workloads keep.",
    "export": "Export costs for other tools.",
    "report": "Where data went, for a security review.",
    "replay": "Send a trace's requests at its own rhythm.",
    "engines": "Run, list and read owned engines.",
    "lab": "Stand-ins for a rented API and an owned engine.",
    "keys": "Make, list, revoke and rotate API keys; only their SHA-256 is kept.",
}
for _name, _help in _COMMANDS.items():
    app.command(f"freehold.app.cli.{_name}{'_' if iskeyword(_name) else ''}:app", name=_name, help=_help)


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
