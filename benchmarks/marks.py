"""The children that every runner starts, and the FIFO in which their moments arrive.

A child is `mark.c`: its first instruction reads CLOCK_MONOTONIC, which is the clock of `time.monotonic()` here,
and it writes its pid and that moment to a FIFO. This side blocks in poll(), so nothing here takes time from the
runner until a mark arrives. Without a compiler the child is a line of shell, and its moment is that of its mark's
arrival here: a little later, for every runner alike.
"""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from errors import BenchError

FIFO = "marks.fifo"
"""Its name in the folder of a run, which is the working folder of the children."""

SLEEP = "sleep 3600"


class Mark(NamedTuple):
    """A moment of the child `pid`, in seconds."""

    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Child:
    """What a Procfile line runs; `program` is None where there is no compiler."""

    program: Path | None

    @property
    def command(self) -> str:
        """The command line of a child that reports its start, and ends at TERM."""
        return f"{self.program} {FIFO}" if self.program else f"echo $$ > {FIFO}; exec {SLEEP}"

    @property
    def stubborn(self) -> str:
        """The command line of one that reports its start and each TERM, and ends at KILL. Needs the compiler."""
        if self.program is None:
            raise BenchError("no C compiler found")
        return f"{self.program} {FIFO} stubborn"

    def is_one(self, words: str) -> bool:
        """Whether the process with this command line is such a child, or a shell around it."""
        return FIFO in words or words.strip() == SLEEP

    def describe(self) -> str:
        """For the machine lines at the top."""
        return "a C program (mark.c)" if self.program else "a line of shell (no C compiler found)"


class Marks:
    """The reading end of one run's FIFO."""

    def __init__(self, folder: Path) -> None:
        os.mkfifo(folder / FIFO)
        self._fd = os.open(folder / FIFO, os.O_RDWR | os.O_NONBLOCK)  # RDWR: no child's end is an end of file
        self._partial = b""

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def wait(self, count: int, pidfd: int, limit: float) -> list[Mark]:
        """Wait for `count` marks; return them, in seconds of `time.monotonic()`.

        BenchError if the process behind `pidfd` ends before, or after `limit` seconds.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        marks: list[Mark] = []
        deadline = time.monotonic() + limit
        while len(marks) < count:
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if self._fd in ready:
                marks += self.take()
            elif pidfd in ready:
                raise BenchError(f"it ended with {len(marks)} of {count} children started")
            else:
                raise BenchError(f"{len(marks)} of {count} children after {limit:g} s")
        return marks

    def take(self) -> list[Mark]:
        """The marks that have arrived, maybe none."""
        now = time.monotonic()
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return []
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [_mark(line.split(), now) for line in lines]


def _mark(words: list[bytes], now: float) -> Mark:
    return Mark(int(words[0]), float(words[1]) if len(words) > 1 else now)
