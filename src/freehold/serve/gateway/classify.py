"""What a request is: which workload it belongs to, and how its data must be handled once key, workload and header have spoken."""

from collections.abc import Collection, Mapping

from freehold.core.data import Handling, Party
from freehold.core.errors import BadRequest, Forbidden, NotFound
from freehold.core.request import Ask, Request
from freehold.core.target import Target, Workload
from freehold.rules.handling import settle
from freehold.serve.access.keys import Key
from freehold.serve.gateway.inspection import Inspection
from freehold.serve.gateway.policy import Policy

RESTART = "x-freehold-restart"
REPORT = "x-freehold-report"
_SUBJECT, _STANDS_FOR = "x-freehold-subject", "x-freehold-stands-for"
_HEADERS = frozenset({"x-freehold-data", "x-freehold-workload", _SUBJECT, _STANDS_FOR, RESTART, REPORT})
_MOST_SUBJECT = 256
_END_OF_TIME = 1e11  # in Unix seconds, as the entry takes them


def classify(
    request: Request, key: Key, headers: Mapping[str, str], policy: Policy, content: Inspection | None = None
) -> tuple[Workload, Ask]:
    """The workload and what the rules decide on. Raises BadRequest, NotFound, Forbidden. A floor only rises."""
    _refuse_unknown_headers(headers)
    _check_subject(headers.get(_SUBJECT))
    _check_time(headers.get(_STANDS_FOR), key)
    for name, known in ((REPORT, "cost"), (RESTART, "anew")):
        if headers.get(name, known) != known:
            raise BadRequest(f"header {name}: use {known}, or leave it out", param=name)
    workload, named = _find_workload(request.model, headers.get("x-freehold-workload"), key, policy)
    parties = [Party("workload", workload.handling), Party("key", key.handling)]
    if "x-freehold-data" in headers:
        parties.append(Party("header", _declared(headers["x-freehold-data"], policy)))
    if content is not None and (found := content.party(workload.name)) is not None:
        parties.append(found)
    ask = Ask(
        workload=workload.name, handling=settle(parties, policy.labels), parties=tuple(parties), labels=policy.labels,
        egress=request.egress, needs=request.needs, least_tokens=request.least_tokens, named=named, hints=request.hints,
        prompt_tokens={name: variant.least_tokens for name, variant in workload.prompts.items()},
    )  # fmt: skip
    return workload, ask


def _declared(text: str, policy: Policy) -> Handling:
    """What the header demands. A label or provider that nobody knows would demand nothing: it is refused by name."""
    try:
        declared = Handling.parse(text)
        providers = declared.demands.not_providers | (declared.demands.providers or frozenset())
        _refuse_unknown("label", declared.labels, policy.labels)
        _refuse_unknown("provider", providers, policy.providers)
    except ValueError as error:
        raise BadRequest(f"header x-freehold-data: {error}", param="x-freehold-data") from None
    return declared


def _refuse_unknown(what: str, named: frozenset[str], known: Collection[str]) -> None:
    for name in sorted(named.difference(known)):
        raise ValueError(f"unknown {what} {name!r}; known are {', '.join(sorted(known))}")


def _refuse_unknown_headers(headers: Mapping[str, str]) -> None:
    """A misspelt declaration must not be a declaration of nothing."""
    for name in headers:
        if name.replace("_", "-").startswith("x-freehold-") and name not in _HEADERS:
            raise BadRequest(f"unknown header {name!r}; known are {', '.join(sorted(_HEADERS))}", param=name)


def _check_subject(stated: str | None) -> None:
    """Whose data it is, in so few plain signs that it can be named again for an erasure. It is repeated nowhere."""
    if stated is not None and not (0 < len(stated) <= _MOST_SUBJECT and all("!" <= sign <= "~" for sign in stated)):
        wanted = f"1 to {_MOST_SUBJECT} visible ASCII characters without a space, such as user-4711"
        raise BadRequest(f"header {_SUBJECT}: use {wanted}", param=_SUBJECT)


def _check_time(stated: str | None, key: Key) -> None:
    """The plan goes by the time a request stands for: who could name any would move everybody's traffic to where it liked."""
    if stated is None:
        return
    if not key.replays:
        mend = "give the key replays: true (freehold keys create --replays), or leave the header out"
        raise Forbidden(f"the key {key.name!r} may not say which time a request stands for; {mend}", param=_STANDS_FOR)
    try:
        good = 0 <= float(stated) < _END_OF_TIME
    except ValueError:
        good = False
    if not good:
        raise BadRequest(f"header {_STANDS_FOR}: use Unix seconds, such as 1700000000.5", param=_STANDS_FOR)


def _find_workload(model: str, header: str | None, key: Key, policy: Policy) -> tuple[Workload, frozenset[str] | None]:
    """Every request belongs to exactly one workload; naming a target or a model narrows the choice inside it."""
    if header is None and model in policy.workloads:
        return _permitted(policy.workloads[model], key), None
    named = frozenset(target.name for target in policy.targets.values() if model in names_of(target))
    if header is not None:
        if header not in policy.workloads:
            raise NotFound(f"no workload {header!r}; there are {_listed(policy, key)}", param="x-freehold-workload")
        workload = _permitted(policy.workloads[header], key)
        if model != header and named.isdisjoint(workload.targets):
            raise NotFound(f"workload {header!r} has no target or model {model!r}", param="model")
        return workload, None if model == header else named
    serving = [w for w in policy.workloads.values() if not named.isdisjoint(w.targets)]
    usable = [w for w in serving if key.workloads is None or w.name in key.workloads]
    if len(usable) > 1:
        names = ", ".join(w.name for w in usable)
        raise BadRequest(f"{model!r} serves several workloads ({names}); say which in x-freehold-workload", param="model")
    if not usable:
        if serving:
            raise Forbidden(f"this key may not use the workloads that {model!r} serves", param="model")
        raise NotFound(f"no workload, target or model {model!r}; there are {_listed(policy, key)}", param="model")
    return usable[0], named


def names_of(target: Target) -> frozenset[str]:
    """Every name a request may use for a target: its own, its model's, and provider/model in both spellings."""
    return frozenset({target.name, target.model, f"{target.codec}/{target.model}", f"{target.codec}:{target.model}"})


def _permitted(workload: Workload, key: Key) -> Workload:
    if key.workloads is not None and workload.name not in key.workloads:
        raise Forbidden(f"this key may not use workload {workload.name!r}", param="model")
    return workload


def _listed(policy: Policy, key: Key) -> str:
    return ", ".join(sorted(w for w in policy.workloads if key.workloads is None or w in key.workloads)) or "none for this key"
