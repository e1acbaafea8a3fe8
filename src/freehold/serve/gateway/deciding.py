"""The one decision of a request: strange media sifted out, constraints applied, the rest put in order."""

from collections.abc import Mapping

import msgspec

from freehold.core.decision import Decision, TargetState
from freehold.core.request import Ask, Request
from freehold.core.target import Workload
from freehold.rules.order import decide
from freehold.serve.gateway.media import sift
from freehold.serve.gateway.policy import Policy


def decided(request: Request, ask: Ask, workload: Workload, policy: Policy, states: Mapping[str, TargetState]) -> Decision:
    """Every target of the workload, as a candidate or removed with its reason. Pure: the request line and `explain` share it."""
    targets, strange = sift(request, workload, [policy.targets[name] for name in workload.targets], policy.media_hosts)
    decision = decide(ask, workload, targets, states)
    return msgspec.structs.replace(decision, removed=(*strange, *decision.removed)) if strange else decision
