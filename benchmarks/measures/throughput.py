"""Throughput: how fast the lines of four children come through, beside the same four writing into one pipe (raw).

A cat(1) for each child shows what a relay takes at least. First bulk writers, whose lines go through stdio's buffer,
then one write(2) for each line. The lines have 80 bytes and are formatted as a logger does it, which is what makes raw
the limit of such programs and not that of pipes. Every runner gets as many lines as it passes on in about a second.
procrun's goals beside raw are in bytes, as its lines are longer by the prefix.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from marks import Child
from report import Goal, Report, Table, least_goal
from rounds import Samples, interleaved
from runners import CAT, PROCRUN, RAW, Runner, cat, raw
from stream import Flow, Writers, streaming

WRITERS = 4
ROUNDS = 5
KINDS = {"bulk": "bulk writers", "line": "writers, one write a line"}
OF_RAW = {"bulk": 0.8, "line": 0.85}
OF_SLOW = {"honcho": 10.0, "foreman": 10.0}
OF_OTHERS = 3.0  # of those that add a prefix
SECONDS_WORTH = {
    CAT: {"bulk": 5_000_000, "line": 2_000_000},
    RAW: {"bulk": 5_000_000, "line": 1_700_000},
    PROCRUN: {"bulk": 6_000_000, "line": 3_000_000},
    "supervisor": {"bulk": 6_000_000, "line": 3_000_000},
    "concurrently": {"bulk": 2_300_000, "line": 900_000},
    "circus": {"bulk": 150_000, "line": 150_000},
    "nf": {"bulk": 150_000, "line": 120_000},
    "foreman": {"bulk": 80_000, "line": 80_000},
    "honcho": {"bulk": 40_000, "line": 40_000},
}
"""Lines that each passes on in about a second."""


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Lines a second; bytes and CPU seconds beside them."""
    tables: list[Table] = []
    goals: list[Goal] = []
    broken: dict[str, str] = {}
    for kind, words in KINDS.items():
        flows, failed = _flows(kind, runners, child)
        lines = {name: [flow.lines / flow.seconds for flow in runs] for name, runs in flows.items()}
        table = Table(f"Output of {WRITERS} {words}", "lines/s", lines, _notes(flows))
        tables.append(table)
        goals += _goals(kind, table, flows, runners)
        broken |= failed
    return Report(tables, goals, broken)


def _flows(kind: str, runners: Sequence[Runner], child: Child) -> tuple[Samples[Flow], dict[str, str]]:
    def once(runner: Runner) -> Flow:
        writers = Writers("a", kind, SECONDS_WORTH[runner.name][kind] // WRITERS, WRITERS)
        with streaming(runner, [writers], child) as stream:
            return stream.flow()

    return interleaved(f"throughput, {kind}", [*runners, cat(), raw()], ROUNDS, once)


def _notes(flows: Samples[Flow]) -> dict[str, str]:
    """Bytes a second, and what the runner's own processes needed: not the children, nor the consumer."""
    notes = {}
    for name, runs in flows.items():
        if runs:
            cpu = statistics.median(1e6 * flow.cpu / flow.lines for flow in runs)
            notes[name] = f"{_megabytes(runs):.3g} MB/s" + (f", {cpu:.2g} CPU s a million" if name != RAW else "")
    return notes


def _megabytes(runs: Sequence[Flow]) -> float:
    return statistics.median(flow.bytes / flow.seconds / 1e6 for flow in runs)


def _goals(kind: str, table: Table, flows: Samples[Flow], runners: Sequence[Runner]) -> list[Goal]:
    sizes = {name: [flow.bytes / flow.seconds for flow in runs] for name, runs in flows.items()}
    goals = [least_goal(f"output, {kind}, bytes/s", Table("", "bytes/s", sizes), RAW, OF_RAW[kind])]
    for peer in runners:
        if peer.prefixes and peer.name != PROCRUN:
            goals.append(least_goal(f"output, {kind}, lines/s", table, peer.name, OF_SLOW.get(peer.name, OF_OTHERS)))
    return goals
