"""Remote media goes only where it may come from: an engine must not fetch what a caller points it to."""

from collections.abc import Mapping, Sequence

from freehold.core.decision import Removed
from freehold.core.request import Request
from freehold.core.target import Target, Workload
from freehold.wire.egress import TABLES, media_hosts


def sift(
    request: Request, workload: Workload, targets: Sequence[Target], allowed: Mapping[str, frozenset[str]]
) -> tuple[Sequence[Target], tuple[Removed, ...]]:
    """The targets that may be shown this request's media URLs, and the others with the reason.

    `allowed`: exact hosts by the name of a target or workload; both lists of a pair count. Class and egress are judged apart.
    The hosts asked for are content, so the reason does not repeat them.
    """
    if "remote_media" not in request.egress:
        return targets, ()
    hosts = media_hosts(request.fields, TABLES[request.dialect]) - allowed.get(workload.name, frozenset())
    strange = [target.name for target in targets if not hosts <= allowed.get(target.name, frozenset())]
    removed = tuple(
        Removed(name, "egress", "the request asks for remote_media beyond https and the media_hosts listed for it")
        for name in strange
    )
    return [target for target in targets if target.name not in strange], removed
