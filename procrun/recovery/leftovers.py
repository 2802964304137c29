"""What of earlier runs in a folder is still alive, and how sure that is.

A process belongs to an earlier run by the session of a recorded leader, by the mark in its environment, by the pipe
that it writes into, or through a process that does. No process of a living run is ever among them.

Anybody can put any mark into the environment of a process of their own. Root can read all marks, so the mark of
another user's process proves nothing here.
"""

import os
import re
import signal
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from procrun.core.spec import Step
from procrun.core.stop_sequence import DEFAULT_BUDGET, ending_step
from procrun.plan.programs.recognise import recognise
from procrun.recovery.run_record import Dyno, Fate, Record, records
from procrun.system.host import pipes as pipes_
from procrun.system.host import process_table
from procrun.system.process_tree import MARK
from procrun.system.types import Stat

PATIENCE = 2.0
"""Seconds that the environment of a process may take to be read: for a busy machine; there is no loop to hold up."""

_MARK = re.compile(r"(\d+-\d+):(.+)")


class Leftover(NamedTuple):
    """A process of an earlier run (`run`, as its mark has it); `how` says how it was found. In doubt it is not `sure`.

    `dyno` says how it is to be stopped.
    """

    row: Stat
    run: str
    dyno: Dyno
    how: str
    sure: bool = True


class Found(NamedTuple):
    """What is left of earlier runs in a folder, of those elsewhere, and how many processes could not be looked into."""

    here: list[Leftover]
    elsewhere: list[Leftover]
    unseen: int


def find(root: str, known: Iterable[tuple[Record, Fate]], seen: Iterable[Leftover] = ()) -> Found:
    """Look at every process once; `known` are the records of `root`.

    What was `seen` before is found again while it lives, and what it brings forth, though what proved it has gone.
    """
    return _Search(root, list(known)).found(seen)


class _Search:
    def __init__(self, root: str, known: list[tuple[Record, Fate]]) -> None:
        self._root = os.path.realpath(root)
        self._over = {record.supervisor: record for record, fate_ in known if fate_ is Fate.OVER}
        self._table = process_table.snapshot()
        self._rows = {pid: row for pid, row in self._table.items() if row.alive}
        self._own = process_table.namespace(os.getpid())
        self._marks: dict[int, tuple[str, str]] = {}
        self._foreign: set[int] = set()
        self._unseen = 0
        self._read_marks()
        self._spared = self._living(known)
        self._found: dict[int, Leftover] = {}
        self._away: dict[int, Leftover] = {}

    def found(self, seen: Iterable[Leftover]) -> Found:
        for left in seen:
            row = self._rows.get(left.row.pid)
            if row is not None and row.started == left.row.started:
                self._add(row, left._replace(row=row))
        pipes = {i: (run, dyno) for run, record in self._over.items() for dyno in record.dynos for i in dyno.pipes}
        for row in self._rows.values():
            self._by_mark(row)
            self._by_pipe(row, pipes)
        for run, record in self._over.items():
            for dyno in record.dynos:
                self._by_session(run, dyno)
            for daemon, name in record.daemons.items():
                if self._runs(daemon):
                    self._add_once(run, name, self._rows[_pid(daemon)], "record")
        for group in (self._found, self._away):
            self._with_kin(group)
        for run, record in self._over.items():
            if record.ending is None:  # else somebody has stopped everything
                self._by_place(run)
        return Found(_sorted(self._found), _sorted(self._away), self._unseen)

    def _read_marks(self) -> None:
        """The marks of all processes here: pids in another container mean something else there."""
        here = [pid for pid in self._rows if process_table.namespace(pid) == self._own]
        away = self._rows.keys() - here
        self._unseen = sum(not process_table.is_kernels(self._rows[pid]) for pid in away)
        for pid, mark in process_table.marks(here, MARK, PATIENCE).items():
            match = _MARK.fullmatch(mark)
            if match is not None:
                self._marks[pid] = (match[1], match[2])
                if process_table.users(pid) != {os.getuid()}:
                    self._foreign.add(pid)
        self._unseen += sum(map(process_table.is_held_up, here))

    def _living(self, known: Iterable[tuple[Record, Fate]]) -> set[int]:
        """Everything of a living run, wherever it is, and this process with all that it was started from."""
        runs = {run for pid, (run, _) in self._marks.items() if self._runs(run) and self._believed(pid, run)}
        roots = {_pid(run) for run in runs}
        for record, fate_ in known:
            if fate_ in (Fate.LIVING, Fate.RESCUED) and record.machine:
                roots |= {_pid(i) for i in (record.front, record.supervisor) if self._runs(i)}
        fronts = {self._rows[root].ppid for root in roots}
        below = {row.pid for root in roots for row in process_table.descendants(root, self._rows)}
        marked = {pid for pid, (run, _) in self._marks.items() if run in runs}
        return roots | fronts | below | marked | self._before_us()

    def _believed(self, pid: int, run: str) -> bool:
        """Whether the mark of `pid` may speak for the living run: it is ours, or of the same user as that."""
        return pid not in self._foreign or process_table.users(pid) == process_table.users(_pid(run))

    def _before_us(self) -> set[int]:
        pid, found = os.getpid(), set()
        while pid in self._rows:
            found.add(pid)
            pid = self._rows[pid].ppid
        return found

    def _runs(self, identity: str) -> bool:
        row = self._rows.get(_pid(identity))
        return row is not None and f"{row.pid}-{row.started}" == identity

    def _by_mark(self, row: Stat) -> None:
        if row.pid not in self._marks:
            return
        run, name = self._marks[row.pid]
        foreign = row.pid in self._foreign
        if run in self._over:
            self._add_once(run, name, row, "perhaps: mark" if foreign else "mark", sure=not foreign)
        elif not foreign and row.pid not in self._spared | self._found.keys():
            folder = process_table.folder(row.pid)
            if not _being_rescued(run, folder):
                group = self._found if _inside(folder, self._root) else self._away
                group[row.pid] = Leftover(row, run, _unrecorded(name, row.pid), "mark")

    def _by_pipe(self, row: Stat, pipes: Mapping[int, tuple[str, Dyno]]) -> None:
        for inode in pipes_.pipes_written(row.pid) & pipes.keys() if pipes else ():
            run, dyno = pipes[inode]
            if row.started >= _ticks(dyno.leader) and row.pid not in self._found:
                self._add(row, Leftover(row, run, dyno, "output pipe"))

    def _by_session(self, run: str, dyno: Dyno) -> None:
        """Who is in its leader's session, unless that number is another session's by now.

        While one of a session lives its number is not given away. So a leader that lives proves the session, or
        refutes it, and without a leader one member proves it that was found in another way.
        """
        leader = _pid(dyno.leader)
        holder = self._table.get(leader)
        if holder is not None and f"{holder.pid}-{holder.started}" != dyno.leader:
            return
        members = [row for row in self._rows.values() if row.sid == leader and row.started >= _ticks(dyno.leader)]
        sure = holder is not None or any(self._is_of(row.pid, run) for row in members)
        for row in members:
            how = ("record" if row.pid == leader else "session") if sure else "perhaps: session"
            if row.pid == leader and row.pid in self._spared:
                self._found[row.pid] = Leftover(row, run, dyno, "perhaps: in use", sure=False)
            elif row.pid == leader or row.pid not in self._found:
                self._add(row, Leftover(row, run, dyno, how, sure))

    def _by_place(self, run: str) -> None:
        """Who works in this folder, is younger than the run, and has an environment that tells nothing: perhaps."""
        for row in self._rows.values():
            if (
                process_table.is_kernels(row)
                or row.started < _ticks(run)
                or process_table.owner(row.pid) != os.getuid()
            ):
                continue
            if process_table.mark(row.pid, "PATH") is None and _inside(process_table.folder(row.pid), self._root):
                self._add_once(run, "?", row, "perhaps: works here", sure=False)

    def _add_once(self, run: str, name: str, row: Stat, how: str, sure: bool = True) -> None:
        if row.pid not in self._found:
            self._add(row, Leftover(row, run, self._dyno(run, name, row.pid), how, sure))

    def _dyno(self, run: str, name: str, pid: int) -> Dyno:
        """How the instance was to be stopped, as far as its record tells."""
        record = self._over.get(run)
        known = next((dyno for dyno in record.dynos if dyno.name == name), None) if record is not None else None
        return known or _unrecorded(name, pid)

    def _is_of(self, pid: int, run: str) -> bool:
        return pid in self._found and self._found[pid].run == run and self._found[pid].sure

    def _with_kin(self, group: dict[int, Leftover]) -> None:
        """What the found ones have started, and the sessions that they lead."""
        grown = True
        while grown:
            grown = False
            for row in self._rows.values():
                by = group.get(row.ppid) or group.get(row.sid)
                mine = group.get(row.pid)
                if by is None or not by.sure or row.pid in self._spared or (mine is not None and mine.sure):
                    continue
                if row.started >= by.row.started:
                    how = f"child of {by.row.pid}" if row.ppid == by.row.pid else f"session of {by.row.pid}"
                    group[row.pid] = Leftover(row, by.run, by.dyno, how)
                    grown = True

    def _add(self, row: Stat, leftover: Leftover) -> None:
        if row.pid not in self._spared:
            self._found[row.pid] = leftover


def _unrecorded(name: str, pid: int) -> Dyno:
    """How to stop what only a mark is known of: by its program where that is a store, which is stopped last."""
    known = recognise(process_table.command_line(pid), {})
    step = Step(signal.SIGTERM, DEFAULT_BUDGET)
    if known is None:
        return Dyno(name, process_table.identity(pid), (), 0, False, step)
    profile = known.profile
    first = ending_step(profile.stop)._replace(wait=DEFAULT_BUDGET) if profile.store else step
    return Dyno(name, process_table.identity(pid), (), int(profile.store), False, first)


def _being_rescued(run: str, folder: str) -> bool:
    """Whether the front of this run, in a folder of its own, is just stopping what is left of it."""
    return bool(folder) and any(record.supervisor == run and fate_ is Fate.RESCUED for record, fate_ in records(folder))


def _inside(folder: str, root: str) -> bool:
    return folder == root or folder.startswith(root.rstrip("/") + "/")


def _pid(identity: str) -> int:
    return int(identity.partition("-")[0])


def _ticks(identity: str) -> int:
    return int(identity.partition("-")[2])


def _sorted(group: Mapping[int, Leftover]) -> list[Leftover]:
    return sorted(group.values(), key=lambda left: (left.run, left.dyno.rank, left.dyno.name, left.row.started))
