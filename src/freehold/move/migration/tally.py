"""What a migration's log amounts to besides its decisions: pairs, money, what could not be scored, the replay, the judge."""

from collections import Counter

from freehold.move.migration.lines import Checked, PairScore, Replay, Score, Served, Unscored


class Tally:
    """Filled line by line, in the order of the log."""

    def __init__(self) -> None:
        self.pairs = 0
        self.cost_nanousd = 0
        self.judge_nanousd = 0
        self.first_pair_at: float | None = None
        self.last_pair_at = 0.0
        self.unscored: Counter[str] = Counter()
        self.to_replay: int | None = None
        self.replayed: set[str] = set()
        self.judge: Checked | None = None
        self.offline: Counter[str] = Counter()  # by key, what the candidate was sent in the canary
        self.judged = self.turned = self.decided_by_length = self.longer = 0

    def take(self, line: Score) -> bool:
        """Whether it counts: a recorded request that was asked a second time, after a process was killed, is only paid for."""
        match line:
            case Replay():
                self.to_replay = line.total
            case Checked():
                self.judge = line
            case Served(offline=str() as key):
                self.offline[key] += 1
            case PairScore() | Unscored():
                self.cost_nanousd += line.cost_nanousd
                self.judge_nanousd += line.judge_nanousd
                if line.recorded and line.request in self.replayed:
                    return False
                if line.recorded:
                    self.replayed.add(line.request)
                if isinstance(line, Unscored):
                    self.unscored[line.why] += 1
                else:
                    self._pair(line)
        return True

    @property
    def longer_preferred(self) -> float | None:
        """Of the verdicts between answers of two lengths, the share that the longer one won; None where there are none."""
        return self.longer / self.decided_by_length if self.decided_by_length else None

    def _pair(self, line: PairScore) -> None:
        self.pairs += 1
        self.first_pair_at = line.at if self.first_pair_at is None else self.first_pair_at
        self.last_pair_at = line.at
        if line.judged is not None:
            self.judged += 1
            self.turned += line.judged.turned
            self.decided_by_length += line.judged.longer is not None
            self.longer += line.judged.longer is True
