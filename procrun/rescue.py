"""Stops what a dead supervisor left: rank after rank, stores last, each by its own signal and with its own budget."""

import os
import signal
import stat
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple

from procrun import limits, proc, stderr
from procrun.loop import Loop, Timer
from procrun.model import Stat, Step
from procrun.stopping import DEFAULT_BUDGET, UNKILLABLE_AFTER
from procrun.volley import Volley

NAMED = 20
"""How many processes are told by their pid; of a thousand the rest is counted."""


class Dyno(NamedTuple):
    """How to stop what belongs to the session of `leader`, lower ranks first; `pipe` is the inode it writes into."""

    leader: int
    pipe: int
    rank: int
    main_only: bool
    first: Step


_UNKNOWN = Dyno(0, 0, 0, False, Step(signal.SIGTERM, DEFAULT_BUDGET))


class Rescue:
    """Works on the orphans of this process; `dynos` has each instance's latest. `over` is called when none is left.

    `stopped` is how many there were.
    """

    def __init__(self, loop: Loop, dynos: Mapping[str, Dyno], over: Callable[[], None]) -> None:
        self._loop = loop
        self._dynos = dynos
        self._over = over
        self.stopped = 0
        self._volley = Volley(lambda row: stderr.tell(f"pid {row.pid} ({proc.title(row.pid)}) is another user's"))
        self._rank = -1
        self._begun = 0.0
        self._deadline: Timer | None = None
        self._killing = False
        self._kept: tuple[int, ...] = os.pipe()  # for the day when there are none: who signals looks first

    def check(self, why: str) -> None:
        """Some process ended, first of all the supervisor (`why` says how): stop what is left."""
        for handle in self._kept:
            os.close(handle)
        self._kept = ()
        left = self._left()
        if not left:
            if self._begun:
                stderr.tell("everything it left is gone")
            self._over()
            return
        if not self._begun:
            self._read_for(left)
            self.stopped = len(left)
        rank = min(self._dyno(row).rank for row in left)
        if rank > self._rank:
            pids = [str(row.pid) for row in left if self._dyno(row).rank == rank]
            self._begin(rank)
            more = f" and {len(pids) - NAMED} more" if len(pids) > NAMED else ""
            stderr.tell(f"{why}; stopping {', '.join(pids[:NAMED])}{more}")
        elif self._killing:
            self._fire(signal.SIGKILL)

    def anew(self, why: str) -> None:
        """Descriptors had run out in the middle of something: do again what was left undone."""
        if self._deadline is None:
            self._rank = -1
        self.check(why)

    def hurry(self) -> None:
        """Somebody is impatient: KILL now."""
        if not self._killing:
            self._kill()

    def _begin(self, rank: int) -> None:
        """Signal this rank and arm its deadline; who hears of it is told afterwards."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._rank, self._killing = rank, False
        self._volley.next_step()
        stage = self._stage()
        for session in {row.sid for row in stage}:
            dyno = self._of(session)
            rows = [row for row in stage if row.sid == session]
            self._volley.fire(dyno.first.signal, session, rows, dyno.main_only)
        self._begun = monotonic()
        wait = max((self._dyno(row).first.wait for row in stage), default=0.0)
        self._deadline = self._loop.at(self._begun + wait, self._kill)

    def _kill(self) -> None:
        self._killing = True
        if self._deadline is not None:
            self._deadline.cancel()
        stage, after = self._stage(), monotonic() - self._begun
        self._fire(signal.SIGKILL)
        self._deadline = self._loop.after(UNKILLABLE_AFTER, self._over)
        for row in stage:
            stderr.tell(f"KILL after {after:.2f} s: pid {row.pid} ({proc.title(row.pid)})")

    def _fire(self, number: int) -> None:
        self._volley.fire(number, 0, self._stage())

    def _left(self) -> list[Stat]:
        return self._volley.ours(proc.descendants(os.getpid(), proc.snapshot()))

    def _stage(self) -> list[Stat]:
        return [row for row in self._left() if self._dyno(row).rank == self._rank]

    def _dyno(self, row: Stat) -> Dyno:
        return self._of(row.sid)

    def _of(self, session: int) -> Dyno:
        """A pid may have come again: the latest that had it."""
        return next((dyno for dyno in reversed(list(self._dynos.values())) if dyno.leader == session), _UNKNOWN)

    def _read_for(self, left: list[Stat]) -> None:
        """Read what they write, and drop it: without a reader a worker dies, or hangs, before it saves its jobs.

        Only the supervisor's own pipes: those of an `a | b` in a command have their reader.
        """
        pipes = {dyno.pipe for dyno in self._dynos.values()}
        room = limits.room(len(pipes))
        for row in left:
            for fd in (1, 2):
                path = f"/proc/{row.pid}/fd/{fd}"
                try:
                    found = os.stat(path)
                    if stat.S_ISFIFO(found.st_mode) and found.st_ino in pipes and room > 0:
                        pipes.remove(found.st_ino)
                        room -= 1
                        self._drain(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                except OSError:
                    pass  # gone meanwhile

    def _drain(self, pipe: int) -> None:
        def read() -> None:
            try:
                if not os.read(pipe, 65536):
                    self._loop.forget(pipe)
            except BlockingIOError:
                pass

        self._loop.read(pipe, read)
