"""What a migration is asked for with besides figures: a suite, recorded requests; each looked at before anything begins."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from freehold.app import config_file
from freehold.app.guards import existing_content
from freehold.core.errors import BadSettings
from freehold.core.policy_facts import PolicyFacts
from freehold.move.evaluate.families import families
from freehold.move.evaluate.suite_file import read_suite
from freehold.move.migration.origins import Recorded, SuiteRef
from freehold.serve.stores.key_records import KeyRecords
from freehold.serve.stores.place import LedgerPlace


def suite_of(path: Path, workload: str) -> SuiteRef:
    """The suite in that file. Raises BadSettings where it is none, is another workload's, or can grade no live request."""
    suite = read_suite(path)
    if suite.workload != workload:
        raise BadSettings(f"{path}: workload is {suite.workload!r}, and {workload!r} is to move; give its own suite")
    if suite.reference == "given" and suite.needs_reference and not suite.asked:
        mend = "give samples with the answers expected, or set reference: incumbent"
        raise BadSettings(f"{path}: a grader needs a reference, and live requests come without; {mend}")
    judge = suite.judge
    return SuiteRef(
        path=str(path.absolute()), digest=suite.digest,
        guardrails=tuple(one.name for one in suite.graders if one.guardrail),
        judge=None if judge is None else (judge.target, judge.digest),
    )  # fmt: skip


def recorded_of(config: Path, since: float) -> Recorded:
    """The content store of that configuration. Raises BadSettings where it has none, or cannot be opened."""
    existing_content(config_file.load(config)).close()
    return Recorded(config=str(config.absolute()), since=since)


def offline_of(keys: tuple[str, ...], ledger: LedgerPlace, config: Path | None) -> tuple[str, ...]:
    """These names, each of a key of that configuration or a good one of the ledger. Where no configuration is at hand (None) they
    stand as they are: they may name keys of one. Raises BadSettings."""
    if not keys or config is None:
        return keys
    configured, now = {spec.name for spec in config_file.load(config).settings.keys}, time.time()
    known = configured | {one.name for one in KeyRecords(ledger).all() if one.role is None and one.state(now) == "good"}
    for key in keys:
        if key not in known:
            there = ", ".join(sorted(known)) or "none"
            raise BadSettings(f"--offline-key is {key!r}, which is no key of {config} or of {ledger}; there are {there}")
    return keys


def require_judge(judge: str, policy: PolicyFacts, moving: Iterable[str]) -> None:
    """A judge that the policy knows, and that is none of these targets, nor of a family of theirs where the models' names say
    which. Raises BadSettings."""
    if judge not in policy.targets:
        known = ", ".join(sorted(policy.targets))
        raise BadSettings(f"the suite's judge.target is {judge!r}, and the policy in force has no such target; there are {known}")
    own = _families(policy.targets[judge].model)
    for name in moving:
        model = policy.targets[name].model
        if name == judge:
            raise BadSettings(f"the suite's judge.target is {judge!r}, which would judge its own answers; take another target")
        if shared := own & _families(model):
            told = f"the judge {judge!r} is of the family {min(shared)}, and so is {model!r} at {name}"
            raise BadSettings(f"{told}; take a judge of another family")


def _families(model: str) -> frozenset[str]:
    """None that are known where the name does not say; then what the suite says of the models counts alone."""
    with suppress(BadSettings):
        return families(model)
    return frozenset()
