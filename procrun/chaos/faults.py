"""Faults done to an instance from outside: one process killed, all stopped for a while, its output flooded.

Each is done by making it, raises OSError where it cannot be done, and has the same few methods (`Injection`).
"""

import os
import select
import signal
from collections.abc import Callable, Iterable
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from procrun.system.host import pipes, process_signals, process_table
from procrun.system.process_tree import MARK, Family
from procrun.system.types import Stat

_LOOKS = 10
"""Looks at an instance that is being stopped: what it forks meanwhile is caught by the next, and few fork so fast."""


class Injection(Protocol):
    """A fault that was begun against the process `pid`, a `child` of the leader or that; `written` is in bytes."""

    pid: int
    child: bool
    written: int

    def end(self) -> None:
        """It is over: what was stopped goes on, a flood ends."""

    def lasts(self) -> bool:
        """Whether it has not ended yet."""

    def left(self, leader: int | None) -> list[Stat]:
        """What it must not leave behind and has: `leader` is the instance's present one."""


class Kill:
    """KILL to the leader, or to one of the other processes, where there are any: `child` (0 to 1) says which."""

    written = 0

    def __init__(self, name: str, leader: int, child: float | None) -> None:
        self._before = members(name, leader)
        self._leader = next((row for row in self._before if row.pid == leader), None)
        others = [row for row in self._before if row != self._leader]
        victim = others[int(child * len(others))] if child is not None and others else self._leader
        if victim is None or not process_signals.send(signal.SIGKILL, victim):
            raise OSError("it ended by itself")
        self._victim = victim
        self.pid = victim.pid
        self.child = victim != self._leader

    def end(self) -> None:
        """It is over at once."""

    def lasts(self) -> bool:
        """Never."""
        return False

    def left(self, leader: int | None) -> list[Stat]:
        """The killed one; with another leader, or none, everything that was there before."""
        same = self._leader is not None and leader == self._leader.pid and bool(alive([self._leader]))
        return alive([self._victim] if same else self._before)


class Stop:
    """STOP to everything of the instance, then, by `end`, CONT to what got it."""

    child = False
    written = 0

    def __init__(self, name: str, leader: int) -> None:
        self.pid = leader
        self._stopped: list[Stat] = []
        self._lasts = True
        try:
            self._stop(lambda: members(name, leader))
        except BaseException:
            self.end()
            raise
        if not self._stopped:
            raise OSError("it stands still already, or is another user's")

    def _stop(self, look: Callable[[], list[Stat]]) -> None:
        """Each is noted before it is stopped; another user's are left running."""
        tried: set[tuple[int, int]] = set()
        for _ in range(_LOOKS):
            running = [row for row in look() if row.state not in "Tt" and (row.pid, row.started) not in tried]
            if not running:
                return
            for row in running:
                tried.add((row.pid, row.started))
                self._stopped.append(row)
                if not _send(signal.SIGSTOP, row):
                    self._stopped.remove(row)

    def end(self) -> None:
        """Everything goes on."""
        self._lasts = False
        for row in self._stopped:
            _send(signal.SIGCONT, row)

    def lasts(self) -> bool:
        """Whether it is still stopped by us."""
        return self._lasts

    def left(self, leader: int | None) -> list[Stat]:
        """What does not run again."""
        return alive(self._stopped, "T")


class Flood:
    """Writes `line` over and over into the pipe that the leader writes into, as fast as it is read, never blocking.

    Ends after `seconds` or `most` bytes, when nobody reads any more, or by `end`. A write is whole lines and at most
    PIPE_BUF bytes: those are never torn by what the program writes meanwhile (pipe(7)).
    """

    child = False

    def __init__(self, leader: int, line: bytes, seconds: float, most: int) -> None:
        self.pid = leader
        self.written = 0
        self._over = Event()
        self._deadline = monotonic() + seconds
        self._most = most
        self._block = line * (select.PIPE_BUF // len(line))
        self._fd = _open(leader)
        self._thread = Thread(target=self._write, daemon=True)  # so that the run is asked while it is flooded
        self._thread.start()

    def _write(self) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        try:
            while not self._over.is_set() and monotonic() < self._deadline:
                if self.written + len(self._block) > self._most:
                    return
                if poller.poll(50):
                    self._write_block()
        except OSError:
            return  # the instance is gone, and nobody reads
        finally:
            os.close(self._fd)

    def _write_block(self) -> None:
        try:
            self.written += os.write(self._fd, self._block)
        except BlockingIOError:
            self._over.wait(0.001)  # the program itself was faster

    def end(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()

    def lasts(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def left(self, leader: int | None) -> list[Stat]:
        """Nothing: it has no processes."""
        return []


def members(name: str, leader: int) -> list[Stat]:
    """Everything alive of the instance `name` with this leader, oldest first; empty when the leader is gone.

    Its session, what descends from that, and what went over to the supervisor with the instance's mark.
    """
    table = process_table.snapshot()
    top = table.get(leader)
    if top is None or not top.alive:
        return []
    mark = Family(str(top.ppid)).mark(name)
    found = {row.pid: row for row in table.values() if row.sid == leader and row.alive}
    for row in table.values():
        if row.ppid == top.ppid and row.sid != leader and process_table.mark(row.pid, MARK) == mark:
            found[row.pid] = row
    for row in list(found.values()):
        found |= {below.pid: below for below in process_table.descendants(row.pid, table)}
    return sorted(found.values(), key=lambda row: (row.started, row.pid))


def takes_floods(leader: int) -> bool:
    """Whether the output of this leader goes into procrun's pipe, and not elsewhere."""
    row = process_table.stat(leader)
    return row is not None and pipes.output_pipe(leader, row.ppid) is not None


def alive(rows: Iterable[Stat], state: str = "") -> list[Stat]:
    """Those of `rows` that still live; with `state` those that are in it."""
    now = ((row, process_table.stat(row.pid)) for row in rows)
    living = [(row, new) for row, new in now if new is not None and new.started == row.started]
    return [row for row, new in living if (new.state == state if state else new.alive)]


def _send(number: int, row: Stat) -> bool:
    try:
        return process_signals.send(number, row)
    except OSError:
        return False


def _open(leader: int) -> int:
    row = process_table.stat(leader)
    if row is None:
        raise OSError("it ended by itself")
    return pipes.written_by(leader, row.ppid)
