"""What would become of a request, by the functions that the gateway itself decides with; nothing is sent anywhere."""

from collections.abc import Mapping, Sequence

import msgspec

from freehold.app.config_file import ConfigFile
from freehold.app.counting import Counts, Moment, counts
from freehold.app.explained_moves import Moving, always, moves_of
from freehold.app.running import Running
from freehold.core.data import Demands, Party
from freehold.core.decision import Candidate, Load, Removed, TargetState
from freehold.core.errors import BadSettings
from freehold.core.ports import Surface
from freehold.rules.budget import Caller
from freehold.rules.order import after_full
from freehold.serve.access.keys import Key
from freehold.serve.gateway.classify import classify
from freehold.serve.gateway.deciding import decided, none_left, only_mute
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.inspection import inspected
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.scope import scoped

_QUEUED = Load(running=0, waiting=1)


class Asked(msgspec.Struct, frozen=True):
    """A request as it is sent: to whom, and with which headers (by lower-case name)."""

    surface: Surface
    body: bytes
    headers: Mapping[str, str] = {}


class Choice(msgspec.Struct, frozen=True):
    """A target that may serve, in its place, and why it stands there."""

    target: str
    kind: str
    reason: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole decision about one request, with targets as busy as `busy` says, and at rest where that is None: not known here.

    `findings`: how many values of each kind its content holds, never a value; `redacted`: rented targets would see placeholders.
    `parties` say what each demands, the fields after them what that makes together. `if_failed` are those tried after the first
    choice, `if_full` is the order while it is known to be full, `if_queued` who is left where it says so only when asked (both
    None where it is rented: its limits are not known here). `choices` hold for a request that no canary draws; `moving` says
    what migrations make of others (None: not known here). `counts`: the limits and budgets that it would meet. `refused`:
    nothing is left, and the caller reads this, with the status and code in `refused_as`; neither where it needs no target.
    """

    policy: str
    dialect: str
    workload: str
    key: str
    asked_model: str
    findings: Mapping[str, int]
    redacted: bool
    parties: tuple[Party, ...]
    data_class: str
    labels: tuple[str, ...]
    regions: tuple[str, ...] | None
    demands: Demands
    egress: tuple[str, ...]
    needs: tuple[str, ...]
    least_tokens: int
    spill: bool
    choices: tuple[Choice, ...]
    removed: tuple[Removed, ...]
    if_failed: tuple[Choice, ...]
    if_full: tuple[Choice, ...] | None
    if_queued: tuple[Choice, ...] | None
    busy: Running | None
    moving: tuple[Moving, ...] | None
    counts: Counts
    refused: str | None
    refused_as: str | None


def explain(asked: Asked, key: Key, policy: Policy, moment: Moment) -> Explanation:
    """Raises what the gateway would answer with before it decides: BadRequest, NotFound, Forbidden, ContentBlocked."""
    surface, headers = asked.surface, asked.headers
    request = surface.read(asked.body, headers)
    content = inspected(request, policy.inspector)
    workload, ask = classify(request, key, headers, policy, content)
    speech = Speech(request, surface, workload.prompts)
    ask = scoped(ask, workload, key, policy.targets)
    content.refuse_blocked(workload.name)
    speech.redacted = content.shield(workload.name) is not None

    states = {} if moment.busy is None else moment.busy.states
    moves = () if moment.moving is None else moment.moving.get(workload.name, ())
    ask = msgspec.structs.replace(ask, assigned=always(tuple(one.of(key.name) for one in moves)))
    decision = decided(speech, ask, policy, states)
    moving = moves_of(moves, ask, policy, lambda drawn: decided(speech, drawn, policy, states))
    tried = decision.candidates[: policy.bounds.attempts]
    if_full = if_queued = None
    if tried and not (first := tried[0].target).rented:
        full = TargetState(load=_QUEUED) if first.concurrency is None else TargetState(in_flight=first.concurrency)
        if_full = _choices(decided(speech, ask, policy, {**states, first.name: full}).candidates)
        if_queued = _choices(after_full(first, tried[1:], spill=decision.spill))
    alone = only_mute(decision) and speech.alone() is not None
    refusal = None if tried or alone else none_left(decision)
    handling = ask.handling
    caller: Caller = {"key": key.name, "team": key.team, "user": key.user, "workload": workload.name}
    return Explanation(
        policy=policy.version, dialect=request.dialect, workload=workload.name, key=key.name, asked_model=request.model,
        findings=content.evidence(), redacted=content.shield(workload.name) is not None, parties=ask.parties,
        data_class=handling.data_class.name, labels=tuple(sorted(handling.labels)),
        regions=None if handling.regions is None else tuple(sorted(handling.regions)), demands=handling.demands,
        egress=tuple(sorted(ask.egress)), needs=tuple(sorted(ask.needs)), least_tokens=ask.least_tokens, spill=workload.spill,
        choices=_choices(decision.candidates), removed=decision.removed, if_failed=_choices(tried[1:]), if_full=if_full,
        if_queued=if_queued, busy=moment.busy, moving=None if moment.moving is None else moving,
        counts=counts(speech.longest(decision), tried, caller, policy, moment),
        refused=None if refusal is None else refusal.message,
        refused_as=None if refusal is None else f"{refusal.status} {refusal.code}",
    )  # fmt: skip


def key_named(file: ConfigFile, policy: Policy, name: str | None) -> Key:
    """The key of the file with that name, or its only one. Raises BadSettings naming those there are."""
    names = [spec.name for spec in file.settings.keys]
    if name is None and len(names) > 1:
        raise BadSettings(f"the file has several keys; say --key with one of {', '.join(names)}")
    for spec in file.settings.keys:
        key = policy.keys.find(spec.sha256)
        if key is not None and name in (None, spec.name):
            return key
    raise BadSettings(f"no key {name!r} in the file; there are {', '.join(names)}")


def _choices(candidates: Sequence[Candidate]) -> tuple[Choice, ...]:
    return tuple(Choice(c.target.name, c.target.kind, c.reason) for c in candidates)
