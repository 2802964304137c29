"""The children that every runner starts, and the FIFO in which their first moments arrive.

A child is `mark.c`, compiled once and linked statically where that works: its first instruction reads
CLOCK_MONOTONIC, which is the clock of `time.monotonic()` here, and it writes that moment to a FIFO. This side
blocks in poll(), so nothing here takes time from the runner until a mark arrives. Without a compiler the
child is a line of shell, and its moment is that of its mark's arrival here: a little later, for every runner
alike.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from errors import BenchError

HERE = Path(__file__).parent
SLEEP = "sleep 3600"


@dataclass(frozen=True, slots=True)
class Child:
    """What a Procfile line runs; `program` is None where there is no compiler."""

    program: Path | None

    def command(self, fifo: Path) -> str:
        """The command line of a child that reports to `fifo`."""
        if self.program:
            return f"{self.program} {fifo}"
        return f"echo > {fifo}; exec {SLEEP}"

    def is_one(self, words: str, fifo: Path) -> bool:
        """Whether the process with this command line is such a child, or a shell around it."""
        return str(fifo) in words or words.strip() == SLEEP

    def describe(self) -> str:
        """For the machine lines at the top."""
        return "a C program (mark.c)" if self.program else "a line of shell (no C compiler found)"


def build(cache: Path) -> Child:
    """Compile `mark.c` into `cache`, unless that has been done since it last changed."""
    source, program = HERE / "mark.c", cache / "mark"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return Child(None)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        command = [compiler, "-O2", "-o", str(program), str(source)]
        static = subprocess.run([*command, "-static"], capture_output=True)
        if static.returncode != 0:
            subprocess.run(command, check=True)
    return Child(program)


class Marks:
    """The reading end of one run's FIFO."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "marks.fifo"
        os.mkfifo(self.fifo)
        self._fd = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)  # RDWR: no child's end is an end of file
        self._partial = b""

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def wait(self, count: int, pidfd: int, limit: float) -> list[float]:
        """Wait for `count` children; return their first moments in seconds of `time.monotonic()`.

        BenchError if the process behind `pidfd` ends before, or after `limit` seconds.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        moments: list[float] = []
        deadline = time.monotonic() + limit
        while len(moments) < count:
            ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
            if self._fd in ready:
                moments += self._read()
            elif pidfd in ready:
                raise BenchError(f"it ended with {len(moments)} of {count} children started")
            else:
                raise BenchError(f"{len(moments)} of {count} children after {limit:g} s")
        return moments

    def _read(self) -> list[float]:
        now = time.monotonic()
        *lines, self._partial = (self._partial + os.read(self._fd, 65536)).split(b"\n")
        return [float(line) if line else now for line in lines]
