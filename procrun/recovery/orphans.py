"""Stops what nobody else stops: what a dead supervisor left, and what could be told to be no instance's at the end.

Dynos first, stores last, each by its own signal and with its own budget, counted from its first signal whoever sent it.
"""

import os
import signal
from collections.abc import Callable, Iterable
from time import monotonic
from typing import NamedTuple

from procrun.core.spec import Step
from procrun.core.stop_sequence import DEFAULT_BUDGET, UNKILLABLE_AFTER, ending_step, unkillable
from procrun.eventloop import stderr
from procrun.eventloop.loop import Loop, Timer
from procrun.system import limits
from procrun.system.host import pipes as pipes_
from procrun.system.host import process_handles, process_table
from procrun.system.process_tree import FRESH, Family
from procrun.system.signalling import Volley
from procrun.system.signals import signal_name
from procrun.system.types import Stat

NAMED = 20
"""How many instances are told by name; of a thousand the rest is counted."""


class Dyno(NamedTuple):
    """How to stop an instance, lower ranks first; `pipes` are the inodes of the pipes it writes into."""

    name: str
    leader: int
    pipes: tuple[int, ...]
    rank: int
    to_all: bool
    first: Step


NOBODYS = Dyno("of no instance", 0, (), 0, False, Step(signal.SIGTERM, DEFAULT_BUDGET))


class _Stop:
    """One stop under way: since when, by which signal, and whether it has come to KILL."""

    def __init__(self, begun: float, number: int) -> None:
        self.begun = begun
        self.steps = f"{signal_name(number)} 0.00"
        self.killing = False
        self.deadline: Timer | None = None


class Rescue:
    """Works on the descendants of this process, without those of the sessions `spared`; `over` is called at the end.

    `strangers` were below this process before it had started anything: they and what they start are left alone.
    Another user's process (`sudo …`) is named, unless that was `told` before, and not waited for.
    """

    def __init__(
        self,
        loop: Loop,
        family: Family,
        over: Callable[[], None],
        told: Callable[[Stat], object],
        spared: Iterable[int] = (),
        strangers: Iterable[Stat] = (),
    ) -> None:
        self._loop = loop
        self._family = family
        self._over = over
        self.stopped = 0
        """How many processes there were to stop."""
        self.told_of: list[str] = []
        """Whose they were, and which, for people."""
        self._told = told
        self._volley = Volley(self._refused)
        self._dynos: dict[str, Dyno] = {}
        self._signalled: dict[str, float] = {}
        self._found: dict[tuple[int, int], Dyno] = {}
        self._stops: dict[Dyno, _Stop] = {}
        self._spared = set(spared)
        self._strangers: set[tuple[int, int]] = set()
        self.spare(strangers)
        self._read: set[int] = set()
        self._rank = 0
        self._doubt: Timer | None = None
        self._look: Timer | None = None
        self._why = ""
        self._kept: tuple[int, ...] = os.pipe()  # for the day when there are none: who signals looks first

    def born(self, dyno: Dyno) -> None:
        """An instance was started, perhaps again: nothing is left of it as it was."""
        self._family.buried(dyno.name)
        self._dynos[dyno.name] = dyno
        self._signalled.pop(dyno.name, None)
        self._spared.discard(dyno.leader)
        self._family.born(dyno.name, dyno.leader)

    def spare(self, strangers: Iterable[Stat]) -> None:
        """Leave these alone, too, with what they start."""
        self._strangers |= {(row.pid, row.started) for row in strangers}

    def signalled(self, name: str, when: float) -> None:
        """A signal that ends it was sent at `when` (monotonic clock): its budget runs from the first one."""
        self._signalled.setdefault(name, when)

    def check(self, why: str) -> None:
        """Some process ended, first of all the supervisor (`why` says how): stop what is left.

        May be called again where descriptors had run out in the middle of it.
        """
        for handle in self._kept:
            os.close(handle)
        self._kept = ()
        if not self._why:
            self._why = why
            self._read_for(dyno.leader for dyno in self._dynos.values())  # at once: who writes now dies of it
        self._family.changed()
        left = self._left()
        self._report_gone(left)
        if not left and not self._family.certain:
            self._look_again()
            return
        if not left:
            if self._stops:
                outlived = self._family.outlived()
                stderr.tell(f"still alive: {process_table.named(outlived)}" if outlived else "everything is gone")
            self._over()
            return
        if not self._stops:
            if process_handles.refusal():
                stderr.tell(process_handles.warning())
            self.stopped = sum(map(len, left.values()))
            self._read_for(row.pid for rows in left.values() for row in rows)
        self._rank = max(self._rank, min(dyno.rank for dyno in left))
        new = [dyno for dyno in left if dyno not in self._stops and dyno.rank <= self._rank]
        who = [f"{dyno.name}: {process_table.named(left[dyno])}" for dyno in new[:NAMED]]  # while they are there
        for dyno in new:
            self._begin(dyno, left[dyno])
        if new:
            more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
            stderr.tell(f"{self._why}; stopping {', '.join(who)}{more}")
            self.told_of += who
        waits = [self._go_on(dyno, left[dyno]) for dyno in self._stops.keys() & left.keys() - set(new)]
        if new or any(waits):
            self._look_later()

    def _look_again(self) -> None:
        """Processes came and went during the look: one of them may have left others."""
        if self._doubt is not None:
            self._doubt.cancel()
        self._doubt = self._loop.after(FRESH, lambda: self.check(self._why))

    def _look_later(self) -> None:
        """Somebody who was not told may lose the parent that answers for it."""
        if self._look is not None:
            self._look.cancel()
        self._look = self._loop.at(self._volley.next_look(self._family.fresh), lambda: self.check(self._why))

    def hurry(self) -> None:
        """Somebody is impatient: KILL now."""
        for dyno, stop in self._stops.items():
            if not stop.killing:
                self._kill(dyno)

    def _begin(self, dyno: Dyno, rows: list[Stat]) -> None:
        """Signal it, unless that was done before: a second TERM kills the jobs of rq and dramatiq. Arm its deadline."""
        begun = self._signalled.get(dyno.name)
        if begun is None:
            self._volley.fire(dyno.first.signal, dyno.leader, rows, dyno.to_all)
            begun = monotonic()
        else:
            self._volley.presume(dyno.first.signal, rows, dyno.to_all)
        stop = self._stops[dyno] = _Stop(begun, dyno.first.signal)
        stop.deadline = self._loop.at(begun + dyno.first.wait, lambda: self._kill(dyno))

    def _go_on(self, dyno: Dyno, rows: list[Stat]) -> bool:
        """See to who came meanwhile, and to who is an orphan now; True where somebody may be one later."""
        number = signal.SIGKILL if self._stops[dyno].killing else dyno.first.signal
        return self._volley.again(number, rows, dyno.to_all)

    def _kill(self, dyno: Dyno) -> None:
        stop = self._stops[dyno]
        if stop.deadline is not None:
            stop.deadline.cancel()
        stop.killing = True
        stop.deadline = self._loop.after(UNKILLABLE_AFTER, lambda: self._give_up(dyno))
        rows, after = self._left().get(dyno, []), monotonic() - stop.begun
        if rows:
            who = process_table.named(rows)
            self._volley.fire(signal.SIGKILL, dyno.leader, rows)
            stop.steps += f" → KILL {after:.2f}"
            stderr.tell(f"KILL after {after:.2f} s: {dyno.name}: {who}")

    def _give_up(self, dyno: Dyno) -> None:
        for row in self._left().get(dyno, []):
            self._volley.leave(row)
            self._family.abandon(dyno.name, row)
            stderr.tell(f"pid {row.pid} ({process_table.title(row.pid)}) {unkillable(row)}")
        self.check(self._why)

    def _refused(self, row: Stat) -> None:
        if not self._told(row):
            stderr.tell(f"pid {row.pid} ({process_table.title(row.pid)}) is another user's, and stays")

    def _report_gone(self, left: dict[Dyno, list[Stat]]) -> None:
        for dyno, stop in list(self._stops.items()):
            if dyno not in left and stop.deadline is not None:
                stop.deadline.cancel()
                stop.deadline = None
                how = "given up" if self._family.outlived(dyno.name) else "gone"
                stderr.tell(f"{dyno.name} {stop.steps} → {how} {monotonic() - stop.begun:.2f} s")

    def _left(self) -> dict[Dyno, list[Stat]]:
        left: dict[Dyno, list[Stat]] = {}
        spared: set[int] = set()
        for row in self._volley.reachable(self._family.everybody()):
            if row.sid in self._spared or row.ppid in spared or (row.pid, row.started) in self._strangers:
                spared.add(row.pid)
                self.spare([row])  # its parent may have gone by the next look
            else:
                left.setdefault(self._dyno(row), []).append(row)
        return left

    def _dyno(self, row: Stat) -> Dyno:
        key = (row.pid, row.started)
        if key not in self._found:
            self._found[key] = self._identify(row)
        return self._found[key]

    def _identify(self, row: Stat) -> Dyno:
        """By its session; a daemon, which has one of its own, by what it runs, since others need a store to the last;
        else by its parents or its mark."""
        name = self._family.owner(row)
        dyno = self._dynos.get(name) or NOBODYS._replace(name=name or NOBODYS.name)
        if row.sid == dyno.leader or dyno.rank > 0:
            return dyno
        rank = max((known.rank for known in self._dynos.values()), default=0) + 1
        return _as_store(row, rank) or dyno

    def _read_for(self, pids: Iterable[int]) -> None:
        """Read what they write, and drop it: without a reader a worker dies, or hangs, before it saves its jobs.

        Only the supervisor's own pipes: those of an `a | b` in a command have their reader.
        """
        pipes = {inode for dyno in self._dynos.values() for inode in dyno.pipes}
        room = limits.room(len(pipes))
        for inode, path in (found for pid in pids for found in pipes_.pipes_written(pid).items()):
            if inode in pipes - self._read and room > 0:
                room -= 1
                try:
                    self._drain(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                    self._read.add(inode)
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


def _as_store(row: Stat, rank: int) -> Dyno | None:
    """A daemonised store, seen from its command line: redis-server writes its title over its mark."""
    try:
        from procrun.plan.programs.recognise import recognise  # 20 ms, and only now needed
    except ImportError:
        return None  # procrun was replaced meanwhile
    for pid in (row.sid, row.pid):
        found = recognise(process_table.command_line(pid), {})
        if found is not None and found.profile.store:
            first = Step(ending_step(found.profile.stop).signal, DEFAULT_BUDGET)
            return Dyno(f"{found.profile.name} (a daemon)", pid, (), rank, False, first)
    return None
