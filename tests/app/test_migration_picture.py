"""A migration as people see it: how far the replay is, by what pairs are graded, and what counts for neither model."""

from rich.console import Console

from freehold.app.cli.migration_picture import picture, status_table
from freehold.app.migration_view import Recording, standing
from freehold.move.migration.lines import Checked, PairScore, Replay, Served, Unscored, Weighed
from freehold.move.migration.machine import Event, MigrationSettings
from freehold.move.migration.origins import Recorded, SuiteRef
from freehold.move.migration.progress import Logged, Migration, Progress

JUDGED = MigrationSettings(recorded=Recorded(config="/c"), suite=SuiteRef(path="/s", digest="abcd", judge=("jury", "d")))


NIGHTLY = MigrationSettings(offline_keys=("jobs", "evals"), dwell=20)


def fold(*lines: Logged, judged: MigrationSettings = JUDGED) -> Progress:
    progress = Progress(Migration(id="m", workload="w", target="t", settings=judged, made_at=0.0))
    progress.take(1, Event(kind="start", at=0.0, by="ann"))
    for n, line in enumerate(lines, 2):
        progress.take(n, line)
    return progress


def shown(progress: Progress) -> str:
    console = Console(width=200)
    now = standing(progress)
    with console.capture() as said:
        console.print(picture(now), status_table([now]))
    return said.get()


def checked(*, fit: bool) -> Checked:
    return Checked(at=0.0, target="jury", digest="d", canaries=6, won=0 if fit else 2, tied=0, fit=fit)


def test_what_is_replayed_judged_and_left_out() -> None:
    pairs = [
        PairScore(
            request=f"fh-{n}", at=float(n), step=-1, candidate=1.0, incumbent=0.5, recorded=True, judged=Weighed(n == 0, n > 1),
            judge_nanousd=10_000_000,
        )
        for n in range(4)
    ]  # fmt: skip
    barred = Unscored(request="fh-9", at=9.0, step=-1, why="judge: barred", recorded=True)
    progress = fold(Replay(at=0.0, total=10), checked(fit=True), *pairs, barred)
    assert standing(progress).recorded == Recording(5, 10)
    text = shown(progress)
    for told in (
        "Recorded requests first: 5 of 10 are done", "5 of 10", "Graded by suite abcd", "Judge jury: 6 of 6 null answers lost",
        "4 pairs", "1 verdicts turned", "$0.0400", "the longer answer won 50%", "Counted for neither: 1 judge: barred.",
    ):  # fmt: skip
        assert told in text, told


def test_a_judge_that_is_still_held_to_null_answers_and_one_that_failed() -> None:
    assert "The judge is being held to null answers." in shown(fold())
    assert "4 of 6 null answers lost, so it is asked nothing more." in shown(fold(checked(fit=False)))


def test_offline_first_with_its_keys_and_the_steps_name() -> None:
    prove = Event(kind="prove", at=0.0, by="gate")
    assert "Offline first: keys jobs, evals. Continue" in shown(fold(judged=NIGHTLY))
    jobs = [Served(request=f"fh-{n}", at=0.0, step=0, harms={"errors": 0.0, "late": 0.0}, offline="jobs") for n in range(12)]
    progress = fold(prove, *jobs, judged=NIGHTLY)
    now, text = standing(progress), shown(progress)
    assert (now.step_name, now.share, now.served, now.expected_s) == ("offline", 0.0, 12, None)
    assert now.offline is not None
    assert now.offline.sent == {"jobs": 12, "evals": 0}
    for told in (
        "Offline first: keys jobs, evals; of evals the candidate has met no request yet.",
        "Canary in step offline: 12 of 20 requests; it waits until enough requests came.",
        "canary [offline] 1% 5% 25% 50%", "canary: offline late", "canary │ offline │",
    ):  # fmt: skip
        assert told in text, told
    onwards = fold(prove, *jobs, Event(kind="advance", at=1.0, by="ann"), judged=NIGHTLY)
    text = shown(onwards)
    assert standing(onwards).step_name == "1%"
    for told in ("Canary at 1% of the others: 0 of 20 requests", "canary offline [1%] 5%", "canary │ 1% "):
        assert told in text, told
    over = fold(prove, Event(kind="roll_back", at=1.0, by="ann"), judged=NIGHTLY)
    assert standing(over).reason == "Rolled back: the workload is served as before."
