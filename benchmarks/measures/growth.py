"""Growth: start-up, memory and throughput with 1, 10, 100 and 1,000 children; for honcho and foreman to 100.

One run for each: all children up, the memory of the runner's own processes (PSS), then the same number of bulk lines
from so many writers. plot.py draws the figures of the last run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from compiled import CACHE
from errors import BenchError
from marks import Child
from report import Growth, Report
from runners import PROCRUN, Runner
from stream import Writers, streaming

FIGURES = CACHE / "growth.json"
COUNTS = {PROCRUN: (1, 10, 100, 1000), "honcho": (1, 10, 100), "foreman": (1, 10, 100)}
LINES = {PROCRUN: 1_000_000, "honcho": 3_000, "foreman": 25_000}
START, MEMORY, OUTPUT = "All children up", "Memory", "Output of bulk writers"
UNITS = {START: "s", MEMORY: "MiB", OUTPUT: "lines/s"}


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """One run each; a runner that broke is not tried with more."""
    tables = [Growth(title, unit, {}) for title, unit in UNITS.items()]
    broken: dict[str, str] = {}
    for runner in runners:
        try:
            for count in COUNTS.get(runner.name, ()):
                for table, value in zip(tables, _once(runner, child, count), strict=True):
                    table.figures.setdefault(runner.name, {})[count] = value
        except BenchError as error:
            broken[runner.name] = f"{count} children: {error}"
    FIGURES.write_text(json.dumps({table.title: table.figures for table in tables}))
    return Report(tables, [], broken)


def _once(runner: Runner, child: Child, count: int) -> tuple[float, float, float]:
    writers = Writers("a", "bulk", max(1, LINES[runner.name] // count), count)
    with streaming(runner, [writers], child) as stream:
        memory = stream.vitals().pss / 1024
        flow = stream.flow()
        return stream.up, memory, flow.lines / flow.seconds
