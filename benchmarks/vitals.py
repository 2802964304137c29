"""What a few processes use at one moment: memory, descriptors, threads, CPU time; and how that grows."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")


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
    """How much `values` grow in a minute: the slope of the straight line with the least squares."""
    return 60 * statistics.linear_regression(seconds, values).slope


def _of(folder: Path) -> tuple[int, int, int, int, int, float]:
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB$", (folder / "smaps_rollup").read_text(), re.MULTILINE))
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    descriptors = len(list((folder / "fd").iterdir()))
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    own, pss, rss = (int(memory[name]) for name in ("Pss_Anon", "Pss", "Rss"))
    return own, pss, rss, descriptors, int(fields[17]), cpu
