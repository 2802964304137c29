"""Latency: how old a line is when the consumer has read it.

One child writes a line every 10 ms with the moment in it: first alone, then beside a sibling that writes as fast as
it can. A cat(1) for each child shows what a relay takes at least; raw, with nobody between, is there when it is quiet.
"""

from __future__ import annotations

from collections.abc import Sequence

from marks import Child
from report import Report, Spread, most_goal
from rounds import interleaved
from runners import PROCRUN, RAW, Runner, cat, raw
from stream import Writers, streaming

LINES = 200
ROUNDS = 5
TICKS = Writers("tick", "tick", LINES, 1)
FLOOD = Writers("flood", "bulk", 0, 1)


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Milliseconds; a percentile is the median of those of the rounds."""
    quiet, broken = _spread("quiet", [*runners, cat(), raw()], [TICKS], child)
    flooded, failed = _spread("beside a flood", [*runners, cat()], [TICKS, FLOOD], child)
    goals = [
        most_goal("latency p99, quiet,", quiet.p99(PROCRUN), RAW, quiet.p99(RAW), 2.0),
        most_goal("latency p99, flooded,", flooded.p99(PROCRUN), "foreman", flooded.p99("foreman"), 1.0),
        most_goal("latency p99, flooded,", flooded.p99(PROCRUN), "honcho", flooded.p99("honcho"), 0.1),
    ]
    return Report([quiet, flooded], goals, broken | failed)


def _spread(
    words: str, runners: Sequence[Runner], writers: Sequence[Writers], child: Child
) -> tuple[Spread, dict[str, str]]:
    def once(runner: Runner) -> list[float]:
        with streaming(runner, writers, child) as stream:
            return stream.flow().ages

    runs, broken = interleaved(f"latency, {words}", runners, ROUNDS, once)
    return Spread(f"Age of a line when it is read, {words}", "ms", runs), broken
