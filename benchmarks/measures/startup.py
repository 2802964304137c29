"""Start-up: from just before the runner is spawned to its first child's first instruction, with a `.env`.

Both moments are read from one clock, the second by the child itself (see marks.py). A first round is for the
page cache and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from marks import Child
from report import Report, Table, ratio_goal
from rounds import interleaved
from runners import Entry, Runner
from session import Session

ROUNDS = 15


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """One child; milliseconds."""

    def once(runner: Runner) -> float:
        with Session(runner, [Entry("a", child.command, 1)]) as session:
            return session.up(1)[0].seconds * 1000

    samples, broken = interleaved("startup", runners, 1 + ROUNDS, once)
    counted = {name: runs[1:] for name, runs in samples.items()}
    table = Table("Start-up: command to the first child's first instruction", "ms", counted)
    goals = [ratio_goal("start-up", table, "honcho", 0.8), ratio_goal("start-up", table, "foreman", 0.5)]
    return Report([table], goals, broken)
