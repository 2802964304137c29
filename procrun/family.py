"""Whose process is it: everything below the supervisor, attributed to the instance that brought it forth."""

import os
from time import monotonic

from procrun import proc
from procrun.model import Stat

MARK = "PROCRUN_DYNO"
"""Set in every dyno's environment to `RUN:INSTANCE`, so that what has left its session can be told apart."""

FRESH = 0.01
"""Seconds for which one look at /proc serves: stopping 300 instances looks a few times, not 300.

A look that took longer serves for as long as it took, so that 1,000 instances do not spend their stop in looking.
"""


class Family:
    """Attributes every descendant of this process to an instance.

    By its session, else by its parent's instance, else by what was seen last, else by the mark in its environment
    (unreadable once a program rewrites its title: measured for nginx, redis-server and Ruby).
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._leaders: dict[str, int] = {}
        self._sessions: dict[int, str] = {}
        self._seen: dict[tuple[int, int], str] = {}
        self._rows: list[Stat] = []
        self._owned: dict[str, list[Stat]] = {}
        self._taken = 0.0
        self._fresh = FRESH

    def mark(self, name: str) -> str:
        """The value of MARK for the instance `name`."""
        return f"{self.run}:{name}"

    def born(self, name: str, leader: int) -> None:
        """`leader`'s session belongs to the instance `name` from now on."""
        self._leaders[name] = leader
        self._sessions[leader] = name
        self._taken = 0.0

    def died(self, pid: int) -> None:
        """The leader `pid` has ended; others of its session may live on."""
        self._leaders = {name: leader for name, leader in self._leaders.items() if leader != pid}
        self._taken = 0.0

    def buried(self, name: str) -> None:
        """Nothing of the instance `name` is alive: forget its sessions (a pid may come again)."""
        self._sessions = {sid: owner for sid, owner in self._sessions.items() if owner != name}
        self._seen = {key: owner for key, owner in self._seen.items() if owner != name}

    def members(self, name: str) -> list[Stat]:
        """Everything alive of the instance `name`, parents before children."""
        if name not in self._leaders and not self._has_adopted():
            return []
        self._look()
        return self._owned.get(name, [])

    def adopted(self) -> list[tuple[str, Stat]]:
        """What this process did not start and is the parent of now: daemons; with their instance where it is known."""
        if not self._has_adopted():
            return []
        self._look()
        leaders = set(self._leaders.values())
        own = [row for row in self._rows if row.ppid == os.getpid() and row.pid not in leaders]
        return [(self._seen.get((row.pid, row.started), "?"), row) for row in own]

    def everybody(self) -> list[Stat]:
        """Everything alive below this process, whosever it is."""
        self._look()
        return self._rows

    def changed(self) -> None:
        """Somebody ended: the next question needs a new look."""
        self._taken = 0.0

    def _has_adopted(self) -> bool:
        """Whether this process has children it did not start: only then can a leader have left anything behind.

        A survivor of an ended leader hangs, through its parents, on a child that was given to us (prctl(2)).
        """
        return not proc.children() <= set(self._leaders.values())

    def _look(self) -> None:
        now = monotonic()
        if now - self._taken < self._fresh:
            return
        table = proc.snapshot()
        while proc.children() - table.keys():  # forked behind the back of the look, its parent gone since
            table = proc.snapshot()
        self._rows = proc.descendants(os.getpid(), table)
        owners: dict[int, str] = {}
        before, self._seen = self._seen, {}
        self._owned = {}
        for row in self._rows:
            name = self._sessions.get(row.sid) or owners.get(row.ppid) or self._recall(row, before)
            if name is not None:
                owners[row.pid] = self._seen[row.pid, row.started] = name
                self._owned.setdefault(name, []).append(row)
        self._taken = monotonic()
        self._fresh = max(FRESH, self._taken - now)

    def _recall(self, row: Stat, before: dict[tuple[int, int], str]) -> str | None:
        name = before.get((row.pid, row.started))
        if name is None:
            run, _, marked = (proc.mark(row.pid, MARK) or "").partition(":")
            name = marked if run == self.run else None
        return name
