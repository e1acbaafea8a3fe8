"""`freehold explain`: the whole decision about one request in words. Nothing is sent."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from freehold.app import config_file
from freehold.app.cli.counted_words import counted_words
from freehold.app.cli.explain_moves import moving_words
from freehold.app.cli.moment_flags import Known
from freehold.app.cli.output import emit_json, out
from freehold.app.counting import Moment
from freehold.app.explained_moves import moves_on_record
from freehold.app.explaining import Asked, Choice, Explanation, explain, key_named
from freehold.app.ledgers import configured_ledger
from freehold.app.policy import build_policy
from freehold.app.surfaces import surface_named, surface_of
from freehold.core.data import Demands, Handling
from freehold.core.errors import BadSettings, FreeholdError
from freehold.serve.stores.place import LedgerPlace

_NOTHING_MORE = Known()
app = App(name="explain", help="Say in words where a request may go, where not, and why.")


@app.default
def explained(  # noqa: PLR0913  a command's options are its data table
    request: Path | None = None,
    /,
    *,
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"),
    surface: str | None = None,
    workload: str | None = None,
    key: str | None = None,
    header: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    known: Known = _NOTHING_MORE,
    json: bool = False,
) -> int:
    """Exit 0 when a target may serve it, 1 when it would be refused, 2 when there is nothing to explain.

    Limits are counted by the running gateway, so that what is left of them is not said here.

    Parameters
    ----------
    request
        A file with the body of a request; unset: standard input.
    config
        The configuration file.
    surface
        What it is sent to: chat, completions, responses, embeddings, messages or count_tokens, or the path of one of them; unset:
        as its shape tells.
    workload
        As the header x-freehold-workload would name it.
    key
        The name of the key that sends it; unset: the file's only one.
    header
        A header that is sent with it, as name=value. May be repeated.
    json
        Print one JSON object.
    """
    headers = dict(_header(text) for text in header)
    if workload is not None:
        headers["x-freehold-workload"] = workload
    file = config_file.load(config)
    policy = build_policy(file, datetime.now(UTC).date())
    sender = key_named(file, policy, key)
    body = _body(request)
    spoken = surface_of(body, headers) if surface is None else surface_named(surface)
    moment, unread = known.moment(file, policy)
    moment, untold = _with_moves(moment, known.ledger or configured_ledger(file))
    try:
        said = explain(Asked(spoken, body, headers), sender, policy, moment)
    except BadSettings:
        raise
    except FreeholdError as error:
        if json:
            emit_json({"refused": error.message, "status": error.status, "code": error.code})
        else:
            _say(f"Refused before any target is looked at: {error.status} {error.code}: {error.message}")
        return 1
    if json:
        emit_json(said)
    else:
        _tell(said)
        _say("\n".join((*moving_words(said, untold), *counted_words(said, unread))))
    return 1 if said.refused or said.counts.refused else 0


def _with_moves(moment: Moment, ledger: LedgerPlace) -> tuple[Moment, str]:
    """With the migrations on record, or why they are not known; empty: they are."""
    try:
        return msgspec.structs.replace(moment, moving=moves_on_record(ledger)), ""
    except FreeholdError as error:
        return moment, error.message


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadSettings(f"--header is {text!r}; write name=value")
    return name.strip().lower(), value.strip()


def _body(path: Path | None) -> bytes:
    if path is None and sys.stdin.isatty():
        raise BadSettings("no request: name a file, or give the body on standard input, as in freehold explain < request.json")
    try:
        return sys.stdin.buffer.read() if path is None else path.read_bytes()
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None


def _tell(said: Explanation) -> None:
    _say(f"Model {said.asked_model!r} from key {said.key!r} is workload {said.workload!r} (policy {said.policy}).")
    _say(f"Read as {said.dialect}.")
    _say("\nIts data")
    whole = Handling(
        said.parties[0].handling.data_class.parse(said.data_class),
        None if said.regions is None else frozenset(said.regions),
        frozenset(said.labels),
        said.demands,
    )
    for party in said.parties:
        _say(f"  {party.name:<9} {_handling(party.handling)}")
    _say(f"  {'together':<9} {_handling(whole)}")
    _say(f"  found     {_found(said)}")
    _say("\nWhat it asks")
    _say(f"  egress    {', '.join(said.egress) or 'none'}")
    _say(f"  of a server  {', '.join(said.needs) or 'nothing beyond text'}; at least {said.least_tokens} tokens of context")
    _say("\n" + _outcome(said))
    for place, choice in enumerate(said.choices, 1):
        _say(f"  {place}. {choice.target} ({choice.kind}): {choice.reason}")
    if said.removed:
        _say("\nMay not")
        for removed in said.removed:
            _say(f"  {removed.target}, by {removed.constraint}: {removed.detail}")
    if said.choices:
        _tell_turns(said)


def _outcome(said: Explanation) -> str:
    if said.refused is not None:
        return f"Refused: {said.refused_as}: {said.refused}"
    return "May serve it, in this order" if said.choices else "Nobody has to be asked: the count is estimated here"


def _tell_turns(said: Explanation) -> None:
    first = said.choices[0].target
    _say("\nAnd then")
    _say(f"  if {first} fails before its first token: {_names(said.if_failed) or 'nobody is left; the caller gets the error'}")
    if said.if_full is not None:
        _say(f"  while {first} is known to be full: {'; '.join(f'{c.target}, {c.reason}' for c in said.if_full)}")
    if said.if_queued is not None:
        _say(f"  if {first} says that it is full when asked: {_names(said.if_queued) or 'nobody is left'}")


def _handling(handling: Handling) -> str:
    parts = [handling.data_class.name]
    if handling.labels:
        parts.append(f"labels {', '.join(sorted(handling.labels))}")
    if handling.regions is not None:
        parts.append(f"regions {', '.join(sorted(handling.regions)) or 'none at all'}")
    return "; ".join(parts + _demands(handling.demands))


def _demands(demands: Demands) -> list[str]:
    parts = []
    if demands.retention_days is not None:
        parts.append(f"kept {demands.retention_days} days at most")
    if demands.no_training:
        parts.append("no training")
    if demands.providers is not None:
        parts.append(f"providers {', '.join(sorted(demands.providers)) or 'none at all'}")
    if demands.not_providers:
        parts.append(f"not {', '.join(sorted(demands.not_providers))}")
    return [*parts, "a pinned version"] if demands.pinned else parts


def _found(said: Explanation) -> str:
    """Kinds and counts; never a value."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(said.findings.items()))
    return f"{kinds or 'nothing'} in its content{'; rented targets see placeholders' if said.redacted else ''}"


def _names(choices: Sequence[Choice]) -> str:
    return ", then ".join(choice.target for choice in choices)


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
