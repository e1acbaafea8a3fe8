"""What migrations make of a request, as lines for people."""

from collections.abc import Iterator

from freehold.app.explained_moves import Moving
from freehold.app.explaining import Explanation
from freehold.core.money import show


def moving_words(said: Explanation, unread: str) -> Iterator[str]:
    """Every migration of its workload. `unread`: why they are not known; empty: they are."""
    yield "\nIts migration"
    if said.moving is None:
        yield f"  whether the workload is being moved is not known here: {unread}"
    elif not said.moving:
        yield "  none; the workload is not being moved"
    for one in said.moving or ():
        yield f"  {one.migration} to {one.target}, in stage {one.stage}: {_share(one)}"
        if one.barred is not None:
            yield f"  {one.target} is not sent this request, {one.barred}"
            continue
        if said.key in one.offline_keys:
            yield f"  its key {said.key} is offline: {', then '.join(one.drawn)}"
        elif 0 < one.share < 1:
            yield f"  if it is drawn: {', then '.join(one.drawn)}; if not, as said above"
        elif one.offline_keys:
            yield f"  its key {said.key} is not offline: as said above"
        if one.copied > 0:
            whom = "of the others" if one.share > 0 or one.offline_keys else "of the requests"
            yield (
                f"  after its caller's answer, {one.copied:.3g} {whom} are asked of {one.target} once more, to compare, for "
                f"{show(one.day_nanousd)} a day at most"
            )


def _share(one: Moving) -> str:
    match one.stage:
        case "canary" if one.offline_keys:
            others = f"of the others {one.share:.3g}, each drawn by its own id" if one.share > 0 else "none of the others yet"
            return f"offline first: all requests of keys {', '.join(one.offline_keys)} go there first, {others}"
        case "canary":
            return (
                f"{one.share:.3g} of the requests go there first, each drawn by its own id, so that those of a small share are "
                "among those of a larger one; all others stay"
            )
        case "live":
            return "every request goes there first"
        case "shadow":
            return "no caller is answered by it; all stay"
        case _:
            return "nothing is sent there; all stay"
