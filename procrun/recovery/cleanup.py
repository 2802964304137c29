"""Stops what earlier runs left: stage after stage, stores last, TERM and at the budget KILL, none of them ours.

They are no children of this process, so their ends are seen through handles; and only through a handle are they
signalled, each by itself, so that neither a pid nor a group that has been given away since is ever hit. Where the
system gives none, start times are compared instead.
"""

import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from procrun.core.events import Event, EventKind
from procrun.core.stop_sequence import UNKILLABLE_AFTER
from procrun.recovery.leftovers import Leftover
from procrun.system import limits
from procrun.system.audience import key
from procrun.system.host import pipes, process_handles, process_signals, process_table
from procrun.system.process_tree import FRESH
from procrun.system.signalling import Volley
from procrun.system.signals import signal_name
from procrun.system.types import Stat

GATHER = 0.1
"""Seconds after an end in which others may follow, before everything is looked at again."""

Look = Callable[[], list[Leftover]]
Search = Callable[[Iterable[Leftover]], list[Leftover]]
"""Looks for leftovers, those given included that are still alive."""
Tell = Callable[[Event], None]
Instance = tuple[str, str]
"""An instance: its run, and its name."""


def clear(search: Search, budget: float | None, tell: Tell) -> list[Leftover]:
    """Stop what `search` finds and is sure of, until it finds nothing more; what could not be stopped.

    `budget` is seconds for each stage, else the longest that one of it had in its run. `tell` hears of each instance's
    signals, with seconds from the first, and of its being gone.
    """
    stuck: set[tuple[int, int]] = set()
    seen: list[Leftover] = []
    readers = _Readers()

    def sure() -> list[Leftover]:
        seen[:] = [left for left in search(seen) if left.sure]
        readers.open(seen)
        return [left for left in seen if key(left.row) not in stuck]

    try:
        while there := sure():
            rank = min(left.dyno.rank for left in there)
            stuck |= _Stage(sure, rank, readers, tell).run(budget)
    finally:
        readers.close()
    return seen


class _Stage:
    """Those that are stopped at the same time."""

    def __init__(self, look: Look, rank: int, readers: "_Readers", tell: Tell) -> None:
        self._everything = look
        self._rank = rank
        self._readers = readers
        self._tell = tell
        self._begun = 0.0
        self._volley = Volley(self._refused, groups=False)
        self._names: dict[int, str] = {}
        self._pids: dict[Instance, list[int]] = {}
        self._told: set[tuple[Instance, int]] = set()
        self._killing = False

    def run(self, budget: float | None) -> set[tuple[int, int]]:
        """Until nothing is left; what cannot be killed, or is another user's."""
        there = self._look()
        self._begun = monotonic()
        longest = max((left.dyno.first.wait for left in there), default=0.0)
        deadline = self._begun + (longest if budget is None else budget)
        while there:
            if monotonic() >= deadline:
                if self._killing:
                    return self._volley.refused | {key(left.row) for left in there}
                self._killing = True
                deadline = monotonic() + UNKILLABLE_AFTER
            groups = _by_instance(there)
            waits = [self._signal(instance, members) for instance, members in groups.items()]
            look = min(deadline, self._volley.next_look(FRESH)) if any(waits) else deadline
            _wait(self._volley.ours(left.row for left in there), look, self._readers)
            there = self._look()
            for run, name in groups.keys() - _by_instance(there).keys():
                pids = ", ".join(map(str, self._pids.get((run, name), ())))
                if pids:
                    self._tell(Event(name, EventKind.GONE, monotonic() - self._begun, f"pid {pids}", 0))
        return self._volley.refused

    def _look(self) -> list[Leftover]:
        there = [left for left in self._everything() if left.dyno.rank <= self._rank]
        self._names |= {left.row.pid: left.dyno.name for left in there}
        return [left for left in there if key(left.row) not in self._volley.refused]

    def _signal(self, instance: Instance, members: list[Leftover]) -> bool:
        """Tell those of an instance who are to be told by now; True where others may have to be later."""
        rows = [left.row for left in members]
        number = signal.SIGKILL if self._killing else members[0].dyno.first.signal
        to_all = any(left.dyno.to_all for left in members)
        if (instance, number) in self._told:
            waits = self._volley.again(number, rows, to_all)
        else:
            waits = not self._killing
            if self._volley.fire(number, 0, rows, to_all):
                self._told.add((instance, number))
                pid = self._volley.ours(rows)[0].pid
                self._tell(Event(instance[1], EventKind.SIGNAL, monotonic() - self._begun, signal_name(number), pid))
        if (instance, number) in self._told:
            known = self._pids.setdefault(instance, [])
            known += sorted(row.pid for row in self._volley.ours(rows) if row.pid not in known)
        return waits

    def _refused(self, row: Stat) -> None:
        text = f"pid {row.pid} ({process_table.title(row.pid)}) is another user's"
        self._tell(Event(self._names[row.pid], EventKind.STUCK, 0.0, text, row.pid))


class _Readers:
    """Reads what they write, and drops it: without a reader a worker dies, or hangs, before it saves its jobs."""

    def __init__(self) -> None:
        self._pipes: dict[int, int] = {}
        self.handles: set[int] = set()

    def open(self, left: Sequence[Leftover]) -> None:
        """Read the output pipe of each instance from here on; only the dead supervisor's, others have their reader."""
        room = limits.room(len({inode for each in left for inode in each.dyno.pipes} - self._pipes.keys()))
        for each in left:
            if self._pipes.keys() >= set(each.dyno.pipes):
                continue
            for inode, path in pipes.pipes_written(each.row.pid).items():
                if room < 1 or inode not in each.dyno.pipes or inode in self._pipes:
                    continue
                try:
                    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                except OSError:
                    continue  # gone meanwhile
                self._pipes[inode] = handle
                self.handles.add(handle)
                room -= 1

    def drain(self, handle: int) -> bool:
        """Read what can be read; False when nobody writes any more."""
        try:
            if os.read(handle, 65536):
                return True
        except BlockingIOError:
            return True
        self.handles.discard(handle)
        return False

    def close(self) -> None:
        """Read no more."""
        for handle in self._pipes.values():
            os.close(handle)


def _wait(rows: Sequence[Stat], deadline: float, readers: _Readers) -> None:
    """Until one of them ends and no other does so a moment later, or until the deadline (monotonic seconds).

    Where descriptors do not suffice for all, some are waited for.
    """
    if process_handles.refusal():
        _wait_by_looking(rows, deadline, readers)
        return
    poller = select.poll()
    for handle in readers.handles:
        poller.register(handle, select.POLLIN)
    handles: set[int] = set()
    try:
        for row in rows[: limits.room(len(rows))]:
            opened = process_signals.ending(row)
            if opened is None:
                deadline = min(deadline, monotonic() + GATHER)
                continue
            handles.add(opened)
            poller.register(opened, select.POLLIN)
        while handles and (left := deadline - monotonic()) > 0:
            for handle, _ in poller.poll(1000 * left):
                if handle in readers.handles and readers.drain(handle):
                    continue
                poller.unregister(handle)
                if handle in handles:
                    handles.remove(handle)
                    os.close(handle)
                    deadline = min(deadline, monotonic() + GATHER)
    finally:
        for handle in handles:
            os.close(handle)


def _wait_by_looking(rows: Sequence[Stat], deadline: float, readers: _Readers) -> None:
    """The same where the system gives no handles."""
    poller = select.poll()
    for handle in readers.handles:
        poller.register(handle, select.POLLIN)
    while rows and (left := deadline - monotonic()) > 0:
        for handle, _ in poller.poll(1000 * min(left, process_handles.LOOK_EVERY)):
            if not readers.drain(handle):
                poller.unregister(handle)
        there = [row for row in rows if process_table.lives(row)]
        if len(there) < len(rows):
            deadline = min(deadline, monotonic() + GATHER)
        rows = there


def _by_instance(there: Iterable[Leftover]) -> dict[Instance, list[Leftover]]:
    groups: dict[Instance, list[Leftover]] = {}
    for left in there:
        groups.setdefault((left.run, left.dyno.name), []).append(left)
    return groups
