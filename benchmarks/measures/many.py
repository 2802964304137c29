"""Many: 300 children up and down again.

Up is from just before the runner is spawned to the last child's first instruction; down is from TERM, sent to
the runner alone, to the runner's end. TERM comes a second after up: honcho hangs for good when it comes while
honcho still handles the news of its children. A runner that leaves children behind ends quickly, so what it
left stands beside its time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from marks import Child
from report import Goal, Report, Table, ratio_goal, zero_goal
from rounds import interleaved
from runners import Entry, Runner
from session import STOP_LIMIT, Session, Stopped

CHILDREN = 300
ROUNDS = 7
SETTLE = 1.0


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Seconds up, seconds down, processes left."""

    def once(runner: Runner) -> tuple[float, Stopped]:
        with Session(runner, [Entry("a", child.command, CHILDREN)]) as session:
            up = session.up(CHILDREN)[-1].seconds
            time.sleep(SETTLE)
            return up, session.stop()

    samples, broken = interleaved("many", runners, ROUNDS, once)
    up = Table(f"{CHILDREN} children up", "s", {n: [s[0] for s in runs] for n, runs in samples.items()})
    stops = {name: [run[1] for run in runs] for name, runs in samples.items()}
    notes = {name: _note(runs) for name, runs in stops.items() if runs}
    seconds = {name: [stop.seconds for stop in runs] for name, runs in stops.items()}
    down = Table(f"{CHILDREN} children down", "s", seconds, notes)
    left = Table("left behind", "processes", {n: [float(s.left) for s in runs] for n, runs in stops.items()})
    goals: list[Goal] = [ratio_goal(f"{CHILDREN} up", up, "honcho", 0.5), zero_goal("left behind", left)]
    return Report([up, down], goals, broken)


def _note(stops: list[Stopped]) -> str:
    left = statistics.median(stop.left for stop in stops)
    stayed = sum(stop.seconds >= STOP_LIMIT for stop in stops)
    words = [f"{left:.0f} processes left behind"] if left else ["none left behind"]
    return "; ".join(words + ([f"{stayed} of {len(stops)} not gone after {STOP_LIMIT:g} s"] if stayed else []))
