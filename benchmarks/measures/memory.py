"""Memory: what the runner's own processes take with 10 and with 300 sleeping children.

It is PSS (smaps_rollup, proc(5)): a page that several processes share counts for each in proportion. Children and the
shells around them are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from marks import Child
from report import Goal, Report, Table
from rounds import interleaved
from runners import PROCRUN, Entry, Runner
from session import Session
from vitals import vitals

FEW, MANY = 10, 300
ROUNDS = 5
SETTLE = 1.0
EACH = 30.0


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """MiB with few and with many, and KiB for each of those that are more."""

    def once(runner: Runner) -> tuple[int, int]:
        return _used(runner, child, FEW), _used(runner, child, MANY)

    used, broken = interleaved("memory", runners, ROUNDS, once)
    few = {name: [run[0] / 1024 for run in runs] for name, runs in used.items()}
    many = {name: [run[1] / 1024 for run in runs] for name, runs in used.items()}
    each = {name: [(run[1] - run[0]) / (MANY - FEW) for run in runs] for name, runs in used.items()}
    tables = [
        Table(f"Memory with {FEW} children", "MiB", few),
        Table(f"Memory with {MANY} children", "MiB", many),
        Table("Memory for each further child", "KiB", each),
    ]
    return Report(tables, [_goal(tables[-1].median(PROCRUN))], broken)


def _used(runner: Runner, child: Child, count: int) -> int:
    """KiB."""
    with Session(runner, [Entry("a", child.command, count)]) as session:
        session.up(count)
        time.sleep(SETTLE)
        return vitals(session.own_processes(child)).pss


def _goal(each: float | None) -> Goal:
    text = f"memory for each further child <= {EACH:g} KiB"
    return Goal(text, "-", None) if each is None else Goal(text, f"{each:.1f} KiB", each <= EACH)
