"""Where a migration's evidence comes from besides live copies: the suite that its pairs are graded by, recorded requests."""

import msgspec


class SuiteRef(msgspec.Struct, frozen=True, kw_only=True):
    """A suite by its file, which the gateway reads at the same path, and by the digest that it had when the migration was asked
    for: another digest grades nothing.

    `guardrails`: the harms that it measures. `judge`: the target of its judge and the digest of what that is asked with.
    """

    path: str
    digest: str
    guardrails: tuple[str, ...] = ()
    judge: tuple[str, str] | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of the workload's that the content store of this configuration has, received `since` then (Unix seconds) and
    before the migration was made: they are asked first."""

    config: str
    since: float = 0.0
