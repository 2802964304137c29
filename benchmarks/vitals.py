"""What a few processes use at one moment: memory, descriptors, threads, CPU time; and how that grows."""

from __future__ import annotations

import os
import re
import statistics
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
SPAN = 30.0


class Vitals(NamedTuple):
    """The sum over some processes: memory in KiB, CPU time in seconds.

    `own` is the part of PSS that is no file (Pss_Anon, proc(5)): PSS itself goes up and down as other processes of
    the machine come to share a library and go.
    """

    own: int
    pss: int
    rss: int
    descriptors: int
    threads: int
    cpu: float


def vitals(pids: Iterable[int]) -> Vitals:
    """As /proc has it now (proc(5): smaps_rollup, fd, stat)."""
    return Vitals(*map(sum, zip(*(_of(Path(f"/proc/{pid}")) for pid in pids), strict=True)))


def growth(seconds: Sequence[float], values: Sequence[float]) -> float:
    """How much `values` grow in a minute, as a rule: the median over all spans of at least half a minute.

    A heap that had to hold more for a moment stays that large: such a step is no leak, and counts little here.
    """
    rates = []
    for begin, moment in enumerate(seconds):
        end = bisect_left(seconds, moment + SPAN)
        if end < len(seconds):
            rates.append(60 * (values[end] - values[begin]) / (seconds[end] - moment))
    return statistics.median(rates)


def _of(folder: Path) -> tuple[int, int, int, int, int, float]:
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB$", (folder / "smaps_rollup").read_text(), re.MULTILINE))
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    descriptors = len(list((folder / "fd").iterdir()))
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    own, pss, rss = (int(memory[name]) for name in ("Pss_Anon", "Pss", "Rss"))
    return own, pss, rss, descriptors, int(fields[17]), cpu
