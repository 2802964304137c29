"""Whose process is it: everything below the supervisor, attributed to the instance that brought it forth."""

import os
from collections.abc import Iterator, Mapping
from time import monotonic

from procrun.system.host import process_table
from procrun.system.types import Stat

MARK = "PROCRUN_DYNO"
"""Set in every dyno's environment to `RUN:INSTANCE`, so that what has left its session can be told apart."""

FRESH = 0.01
"""Seconds for which one look at /proc serves: stopping 300 instances looks a few times, not 300."""

SERVES = 4
"""A look serves for so many times as long as it took: what is done with 1,000 instances is not spent in looking."""

GIVE_UP = 2.0
"""Seconds that a process has to show its environment, which waits for a dead disk with it, or for a busy machine."""

TRIES = 20
"""How often in one look the children are listed anew while there are new ones: a chain of forks must not hold us up."""


class Family:
    """Attributes every descendant of this process to an instance.

    By its session, else by its parent's instance, else by what was seen last, else by the mark in its environment
    (unreadable once a program rewrites its title: measured for nginx, redis-server and Ruby). Where only one instance
    has ever been, everything is its.

    `certain` is False when processes came and went during the last look, so that some may have been missed.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._leaders: dict[str, int] = {}
        self._sessions: dict[int, str] = {}
        self._seen: dict[tuple[int, int], str] = {}
        self._rows: list[Stat] = []
        self._owned: dict[str, list[Stat]] = {}
        self._names: set[str] = set()
        self._strays: set[tuple[int, int]] = set()
        self._abandoned: dict[tuple[int, int], tuple[str, Stat]] = {}
        self._taken = 0.0
        self.fresh = FRESH
        """Seconds for which the last look serves."""
        self.certain = True

    def mark(self, name: str) -> str:
        """The value of MARK for the instance `name`."""
        return f"{self.run}:{name}"

    def born(self, name: str, leader: int) -> None:
        """`leader`'s session belongs to the instance `name` from now on."""
        self._names.add(name)
        self._leaders[name] = leader
        self._sessions[leader] = name
        self._taken = 0.0

    def beside(self, name: str, leader: int) -> None:
        """`leader`'s session belongs to `name`, which is no instance: a command that asks one something."""
        self._sessions[leader] = name
        self._taken = 0.0

    def forget(self, leader: int) -> None:
        """That command is over; what is still ending of it is known from the last look."""
        self._sessions.pop(leader, None)

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
            self.certain = True
            return []
        self._look()
        return self._owned.get(name, [])

    def abandon(self, name: str, row: Stat) -> None:
        """`row`, of the instance `name`, outlives KILL: nobody stops it any more, or waits for it."""
        self._abandoned[row.pid, row.started] = (name, row)
        self._taken = 0.0

    def outlived(self, name: str | None = None) -> list[Stat]:
        """What was abandoned and still lives: all of it, or of the instance `name`."""
        rows = [row for owner, row in self._abandoned.values() if name is None or name == owner]
        return [row for row in rows if process_table.lives(row)]

    def adopted(self) -> list[tuple[str, Stat]]:
        """What this process did not start and is the parent of now: daemons; with their instance where it is known."""
        if not self._has_adopted():
            return []
        self._look()
        leaders = set(self._leaders.values())
        own = [row for row in self._rows if row.ppid == os.getpid() and row.pid not in leaders]
        return [(self._seen.get((row.pid, row.started), "?"), row) for row in own]

    def everybody(self) -> list[Stat]:
        """Everything alive below this process, whosever it is, without what was abandoned."""
        self._look()
        return self._rows

    def owner(self, row: Stat) -> str:
        """The instance that `row` of the last look belongs to; empty where that cannot be told."""
        return self._seen.get((row.pid, row.started), "")

    def strays(self) -> list[Stat]:
        """Everything alive of which it cannot be told whose it is; each is named once."""
        self._look()
        new = [row for row in self._rows if not self.owner(row) and (row.pid, row.started) not in self._strays]
        self._strays |= {(row.pid, row.started) for row in new}
        return new

    def changed(self) -> None:
        """Somebody ended: the next question needs a new look."""
        self._taken = 0.0

    def _has_adopted(self) -> bool:
        """Whether this process has children it did not start: only then can a leader have left anything behind.

        A survivor of an ended leader hangs, through its parents, on a child that was given to us (prctl(2)).
        """
        return not process_table.children() <= set(self._leaders.values())

    def _look(self) -> None:
        now = monotonic()
        if now - self._taken < self.fresh:
            return
        self.certain = True
        before, self._seen = self._seen, {}
        table = process_table.snapshot()
        for row in self._arrivals(set(table)):  # forked behind the back of the look, its parent gone since
            table[row.pid] = row
            name = self._recall(row, before)
            if name is not None:  # at once: it may be gone in a moment
                before[row.pid, row.started] = name
        below = process_table.descendants(os.getpid(), table)
        self._rows = [row for row in below if (row.pid, row.started) not in self._abandoned]
        owners: dict[int, str] = {}
        self._owned = {}
        for row in self._rows:
            name = self._sessions.get(row.sid) or owners.get(row.ppid) or self._recall(row, before)
            if name is not None:
                owners[row.pid] = self._seen[row.pid, row.started] = name
                self._owned.setdefault(name, []).append(row)
            elif process_table.is_ending(row) or 0 < process_table.held_up_for(row.pid) < GIVE_UP:
                self.certain = False  # before it could be asked whose it is
        self._taken = monotonic()
        self.fresh = max(FRESH, SERVES * (self._taken - now))

    def _arrivals(self, known: set[int]) -> Iterator[Stat]:
        """Children that are not among `known`, until there are no new ones, or too many of them one after the other."""
        for _ in range(TRIES):
            new = process_table.children() - known
            if not new:
                return
            known |= new
            yield from filter(None, map(process_table.stat, new))
        self.certain = False

    def _recall(self, row: Stat, before: Mapping[tuple[int, int], str]) -> str | None:
        name = before.get((row.pid, row.started))
        if name is None:
            run, _, marked = (process_table.mark(row.pid, MARK) or "").partition(":")
            name = marked if run == self.run else None
        if name is None and len(self._names) == 1:
            (name,) = self._names
        return name
