"""Looks at a running procrun every few seconds, as its clients do meanwhile: one asks for `ps`, one drops."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import control
import proctree
from errors import BenchError
from session import Session
from vitals import Vitals, vitals

EVERY = 3.0
HEADER = "     s   own KiB   PSS KiB   RSS KiB   fds    up threads zombies restarts       lines   CPU s"


class Look(NamedTuple):
    """What was seen `at` seconds after the start.

    `uses` is what front and supervisor use; `up` how many instances had a process, `zombies` how many dead children
    had not been reaped; `restarts` and `lines` are counted since the start.
    """

    at: float
    uses: Vitals
    up: int
    zombies: int
    restarts: int
    lines: int

    def row(self) -> str:
        """A line of the table."""
        uses = self.uses
        memory = f"{uses.own:9,} {uses.pss:9,} {uses.rss:9,}"
        counts = f"{uses.descriptors:5} {self.up:5} {uses.threads:7} {self.zombies:7}"
        return f"{self.at:6.0f} {memory} {counts} {self.restarts:8,} {self.lines:11,} {uses.cpu:7.1f}"


class Reader(threading.Thread):
    """Reads the run's output as it comes and counts its lines."""

    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self.lines = 0
        self._fd = fd

    def run(self) -> None:
        """Until the last writer is gone."""
        while data := os.read(self._fd, 1 << 20):
            self.lines += data.count(b"\n")
        os.close(self._fd)


def looks(session: Session, reader: Reader, seconds: float) -> Iterator[Look]:
    """A look every three seconds, for so many seconds. BenchError when the run breaks."""
    began = time.monotonic()
    time.sleep(EVERY)  # all are up by then
    pids = [session.pid, proctree.descendants(session.pid)[0]]  # front and supervisor
    for number in range(2, int(seconds / EVERY) + 1):
        time.sleep(max(0.0, began + number * EVERY - time.monotonic()))
        try:
            rows = control.final(control.request(session.folder, "ps"))["rows"]
            _connect_and_drop(session)
            uses = vitals(pids)
        except OSError as error:
            raise BenchError(f"it broke after {time.monotonic() - began:.0f} s: {error}") from None
        yield Look(
            at=time.monotonic() - began,
            uses=uses,
            up=sum(row["state"] not in ("down", "crashed") for row in rows),
            zombies=proctree.zombies(pids),
            restarts=sum(row["restarts"] for row in rows),
            lines=reader.lines,
        )


def _connect_and_drop(session: Session) -> None:
    """Begin a request and go."""
    with control.connect(session.folder) as connection:
        connection.sendall(b'{"type":')
