"""Those who are admitted and whose prompts cannot begin yet: all wait equally long, so that they begin in order of admission.

They are the youngest who run: whoever of them has to make way is the last in this line.
"""

from freehold.plan.capacity.simulator.world import NOBODY, STILL, World


def settle(w: World, r: int, s: int) -> None:
    """The one just admitted, last in the line."""
    replica, request = w.replicas[r], w.pool[s]
    request["settled"], request["behind"] = replica["start"] + w.rules[0]["admission_s"], NOBODY
    if replica["first_settling"] == NOBODY:
        replica["first_settling"] = s
    else:
        w.pool[replica["last_settling"]]["behind"] = s
    replica["last_settling"] = s


def first_settled(w: World, r: int) -> int:
    """Take out the first, if its prompt can begin; NOBODY otherwise."""
    replica = w.replicas[r]
    s = int(replica["first_settling"])
    if s == NOBODY or w.pool[s]["settled"] > replica["start"] + STILL:
        return NOBODY
    replica["first_settling"] = w.pool[s]["behind"]
    if replica["first_settling"] == NOBODY:
        replica["last_settling"] = NOBODY
    return s


def unsettle(w: World, r: int, s: int) -> None:
    """Take out the last; the one before it was admitted before it."""
    replica, request = w.replicas[r], w.pool[s]
    if s == replica["first_settling"]:
        replica["first_settling"], replica["last_settling"] = NOBODY, NOBODY
        return
    replica["last_settling"] = request["older"]
    w.pool[request["older"]]["behind"] = NOBODY
