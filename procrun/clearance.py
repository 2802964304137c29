"""Stops what earlier runs left: stage after stage, stores last, TERM and at the budget KILL, none of them ours.

They are no children of this process, so their ends are seen through pidfds; and only through a pidfd are they
signalled, each by itself, so that neither a pid nor a group that has been given away since is ever hit. Where the
system gives no pidfds, start times are compared instead.
"""

import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from procrun import limits, pidfds, proc
from procrun.leftovers import Leftover
from procrun.model import Happening, Stat
from procrun.stopping import UNKILLABLE_AFTER, signal_name
from procrun.volley import main_process

GATHER = 0.1
"""Seconds after an end in which others may follow, before everything is looked at again."""

Look = Callable[[], list[Leftover]]
Search = Callable[[Iterable[Leftover]], list[Leftover]]
"""Looks for leftovers, those given included that are still alive."""
Tell = Callable[[Happening], None]
Key = tuple[str, str]


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
        return [left for left in seen if _id(left) not in stuck]

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
        self._heard: set[tuple[int, int]] = set()
        self._refused: set[tuple[int, int]] = set()
        self._pids: dict[Key, list[int]] = {}
        self._told: set[tuple[Key, int]] = set()
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
                    return self._refused | {_id(left) for left in there}
                self._killing = True
                self._heard.clear()
                deadline = monotonic() + UNKILLABLE_AFTER
            for key in {_instance(left) for left in there}:
                self._signal(key, [left for left in there if _instance(left) == key])
            waited_for = [left.row for left in there if _id(left) not in self._refused]
            _wait(waited_for, deadline, self._readers)
            before, there = there, self._look()
            for run, name in {_instance(left) for left in before} - {_instance(left) for left in there}:
                pids = ", ".join(map(str, self._pids.get((run, name), ())))
                if pids:
                    self._tell(Happening(name, "gone", monotonic() - self._begun, f"pid {pids}", 0))
        return self._refused

    def _look(self) -> list[Leftover]:
        there = [left for left in self._everything() if left.dyno.rank <= self._rank]
        return [left for left in there if _id(left) not in self._refused]

    def _signal(self, key: Key, members: list[Leftover]) -> None:
        """What is new of an instance hears of it; what a TERM handler has just started is left to its parent."""
        pids = {left.row.pid for left in members}
        fresh = [left for left in members if _id(left) not in self._heard]
        if not self._killing and self._pids.get(key):
            fresh = [left for left in fresh if left.row.ppid not in pids]
        number = signal.SIGKILL if self._killing else members[0].dyno.first.signal
        audience = self._audience(number, members, fresh)
        self._heard |= {_id(left) for left in audience}
        hit = [left.row.pid for left in audience if self._send(number, left)]
        if hit:
            known = self._pids.setdefault(key, [])
            refused = {pid for pid, _ in self._refused}
            known += [pid for pid in sorted(pids - refused) if pid not in known]
            if (key, number) not in self._told:  # again for who was forked past it, and that is nobody's news
                self._told.add((key, number))
                self._tell(Happening(key[1], "signal", monotonic() - self._begun, signal_name(number), hit[0]))

    def _audience(self, number: int, members: list[Leftover], fresh: list[Leftover]) -> list[Leftover]:
        """All of them, or the main process alone where the others would die of it with their work."""
        if number == signal.SIGKILL or not any(left.dyno.main_only for left in members):
            return fresh
        rows = [left.row for left in members]
        leader = int(members[0].dyno.leader.partition("-")[0])
        if leader not in {row.pid for row in rows}:
            leader = min(rows, key=lambda row: row.started).pid
        main = main_process(number, leader, rows)
        return [left for left in fresh if main is None or left.row.pid == main.pid]

    def _send(self, number: int, left: Leftover) -> bool:
        try:
            hit = proc.send(number, left.row)
            if number != signal.SIGKILL:
                proc.send(signal.SIGCONT, left.row)  # a suspended process cannot obey
        except PermissionError:
            self._refused.add(_id(left))
            name, pid = left.dyno.name, left.row.pid
            self._tell(Happening(name, "stuck", 0.0, f"pid {pid} ({proc.title(pid)}) is another user's", pid))
            return False
        return hit


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
            for inode, path in proc.pipes_written(each.row.pid).items():
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
    if pidfds.refusal():
        _wait_by_looking(rows, deadline, readers)
        return
    poller = select.poll()
    for handle in readers.handles:
        poller.register(handle, select.POLLIN)
    handles: set[int] = set()
    try:
        for row in rows[: limits.room(len(rows))]:
            opened = _open(row)
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
    """The same where there are no pidfds."""
    poller = select.poll()
    for handle in readers.handles:
        poller.register(handle, select.POLLIN)
    while rows and (left := deadline - monotonic()) > 0:
        for handle, _ in poller.poll(1000 * min(left, pidfds.LOOK_EVERY)):
            if not readers.drain(handle):
                poller.unregister(handle)
        there = [row for row in rows if proc.lives(row)]
        if len(there) < len(rows):
            deadline = min(deadline, monotonic() + GATHER)
        rows = there


def _open(row: Stat) -> int | None:
    """A pidfd of exactly this process; None when it has gone."""
    try:
        handle = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return None
    if proc.is_same(row):
        return handle
    os.close(handle)
    return None


def _id(left: Leftover) -> tuple[int, int]:
    return left.row.pid, left.row.started


def _instance(left: Leftover) -> Key:
    return left.run, left.dyno.name
