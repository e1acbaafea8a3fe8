"""Judge a ledger after the fact, independently of the code that routed: was any data sent where it may not go?

By what was recorded with each entry and what its policy said then, as the residency report does; today's configuration is no part
of it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from freehold.app.residency.judging import judge
from freehold.core.policy_facts import PolicyFacts
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.residency import ResidencyReader, Sent


class Judged(msgspec.Struct, frozen=True):
    """One line for each kind of violation. `unproven` attempts cannot be judged: their policy is not on record."""

    violations: tuple[str, ...]
    unproven: int


def judged(ledger: LedgerPlace) -> Judged:
    """Every attempt the ledger has. Raises BadSettings when it cannot be read."""
    return judge_all(*ResidencyReader(ledger).sent())


def judge_all(sent: Iterable[Sent], policies: Mapping[str, PolicyFacts]) -> Judged:
    """An attempt that broke two rules stands in two lines."""
    broken: Counter[str] = Counter()
    unproven = 0
    for one in sent:
        verdict, rules = judge(one.handled, one.place, policies)
        unproven += one.attempts if verdict == "not_provable" else 0
        for _, told in rules:
            broken[f"{told} (policy {one.handled.policy})"] += one.attempts
    return Judged(
        tuple(f"{attempts:,} attempt{'' if attempts == 1 else 's'}: {told}" for told, attempts in sorted(broken.items())),
        unproven,
    )
