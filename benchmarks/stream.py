"""One run whose children write (writer.c) and whose output is read by one consumer (reader.c), for every runner alike.

The children report that they are up and wait at a gate, a FIFO, for a second more, so that neither start-up nor what
a runner does just after it (procrun opens its socket then) is in the figures; the clock runs from the gate's opening
to the moment at which the consumer has read the last line of the last child. The children do not end before they are
killed: most runners would end all with the first.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import marks
from compiled import compiled
from errors import BenchError
from marks import Child
from runners import Entry, Runner
from session import Session
from vitals import Vitals, vitals

LIMIT = 60.0
SETTLE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Writers:
    """So many children of a kind ("bulk", "line" or "tick", see writer.c); 0 lines are lines without end."""

    type: str
    kind: str
    lines: int
    count: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What came through: seconds, bytes, lines of the children; the runner's own CPU seconds; the ages of ticks in ms.

    Bytes are counted as they were read, with prefixes; lines as they were written, as some runners tear them.
    """

    seconds: float
    bytes: int
    lines: int
    cpu: float
    ages: list[float]


class Stream:
    """A run whose children are up and wait; made by `streaming`.

    `up` is the seconds from the command to the first instruction of the last of them.
    """

    def __init__(
        self, up: float, lines: int, own: Sequence[int], gate: Path, consumer: subprocess.Popen[bytes]
    ) -> None:
        self.up = up
        self._lines = lines
        self._gate = gate
        self._consumer = consumer
        self._own = own

    def vitals(self) -> Vitals:
        """What the runner's own processes use; BenchError if one of them is gone."""
        try:
            return vitals(self._own)
        except OSError as error:
            raise BenchError(f"a process of it is gone: {error}") from None

    def flow(self) -> Flow:
        """Open the gate and wait for the last line. BenchError when that never comes, or when others are missing."""
        before = self.vitals().cpu
        began = time.monotonic_ns()
        gate = os.open(self._gate, os.O_RDWR)  # RDWR: does not wait, and nobody who comes late has to
        try:
            *ages, last = self._answer()
        finally:
            os.close(gate)
        ended, read, lines = map(int, last.split())
        if lines < self._lines:
            raise BenchError(f"{self._lines - lines} of {self._lines} lines are missing")
        milliseconds = [int(age) / 1e6 for age in ages]
        return Flow((ended - began) / 1e9, read, self._lines, self.vitals().cpu - before, milliseconds)

    def _answer(self) -> list[bytes]:
        """The consumer's lines."""
        assert self._consumer.stdout is not None
        if not select.select([self._consumer.stdout], [], [], LIMIT)[0]:
            raise BenchError(f"not all lines after {LIMIT:g} s")
        answer = self._consumer.stdout.read().splitlines()
        if not answer:
            raise BenchError("its output ended before the last line")
        return answer


@contextmanager
def streaming(runner: Runner, writers: Sequence[Writers], child: Child) -> Iterator[Stream]:
    """The stream of these writers, all up. BenchError when they do not come up."""
    program, reader = compiled("writer"), compiled("reader")
    if program is None or reader is None:
        raise BenchError("no C compiler found")
    ends = sum(some.count for some in writers if some.lines)
    lines = sum(some.count * some.lines for some in writers) + ends
    with tempfile.TemporaryDirectory(prefix="procrun-bench-") as folder:
        gate = Path(folder) / "gate"
        os.mkfifo(gate)
        words = f"{marks.FIFO} {gate}"
        entries = [Entry(some.type, f"{program} {some.kind} {some.lines} {words}", some.count) for some in writers]
        with _consumer([str(reader), str(ends)]) as (consumer, output), _session(runner, entries, output) as session:
            up = session.up(sum(some.count for some in writers))[-1].seconds
            time.sleep(SETTLE)
            yield Stream(up, lines, session.own_processes(child), gate, consumer)


def _session(runner: Runner, entries: Sequence[Entry], output: int) -> Session:
    """With the runner and its children as the only writers, so that the consumer sees an end when they are gone."""
    try:
        return Session(runner, entries, output)
    finally:
        os.close(output)


@contextmanager
def _consumer(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The consumer, and the writing end of its pipe, which the caller closes."""
    reading, writing = os.pipe()
    consumer = subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE)
    os.close(reading)
    with consumer:
        try:
            yield consumer, writing
        finally:
            consumer.kill()
