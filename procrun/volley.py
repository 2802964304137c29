"""Signals to what belongs to an instance: whole process groups at once, so that nobody can be forked past them."""

import os
import signal
from collections.abc import Callable, Iterable

from procrun import proc
from procrun.model import Stat
from procrun.stopping import ENDING

HARMLESS = frozenset({signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
"""Signals whose default action is to do nothing, or to go on (signal(7))."""

EVERYBODYS = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT})
"""Signals that go to everything of an instance, whatever it is."""


class Volley:
    """Fires signals, each but KILL once a step at any process group: what a TERM handler starts is spared.

    `refused` hears once of each process that is another user's (`sudo …`); it is left out from then on.
    """

    def __init__(self, refused: Callable[[Stat], None]) -> None:
        self._on_refusal = refused
        self._refused: set[tuple[int, int]] = set()
        self._reached: set[int] = set()
        self._heard: set[tuple[int, int]] = set()

    def ours(self, rows: Iterable[Stat]) -> list[Stat]:
        """Those that may be signalled."""
        return [row for row in rows if (row.pid, row.started) not in self._refused]

    def reachable(self, rows: Iterable[Stat]) -> list[Stat]:
        """Those that are alive and may be signalled, asked of the kernel."""
        return [row for row in self.ours(rows) if self._may(row)]

    def leave(self, row: Stat) -> None:
        """Count this one out: it cannot be killed."""
        self._refused.add((row.pid, row.started))

    def next_step(self) -> None:
        """Another signal is due: every group may get it."""
        self._reached.clear()
        self._heard.clear()

    def fire(self, number: int, leader: int, rows: Iterable[Stat], main_only: bool = False) -> int:
        """Send signal `number` to those of `rows` that it goes to; how many are there to hear it.

        KILL, STOP and CONT go to all; TERM, INT, QUIT and HUP too, unless the program wants them for its main process
        alone (celery's and dramatiq's children die of them: measured); quiet and diagnostic ones go to the main one.
        """
        everybody = [row for row in self.ours(rows) if self._may(row)]
        if number in EVERYBODYS or (number in ENDING and not main_only):
            self._at_groups(number, everybody)
            return len(everybody)
        main = main_process(number, leader, everybody)
        if main is None and number in ENDING:
            self._at_groups(number, everybody)
            return len(everybody)
        return self._at(number, main) if main is not None else 0

    def aim(self, number: int, leader: int, rows: Iterable[Stat]) -> None:
        """Send it to the main process alone, to the leader where nobody catches it; STOP, CONT and KILL to all."""
        everybody = self.ours(rows)
        self.next_step()
        if number in EVERYBODYS:
            self.fire(number, leader, everybody)
            return
        main = main_process(number, leader, everybody)
        for row in everybody:
            if row.pid == (main.pid if main is not None else leader) and self._may(row):
                self._at(number, row)

    def again(self, number: int, leader: int, rows: Iterable[Stat], main_only: bool) -> None:
        """Somebody ended: signal who cannot have heard of it, groups that are new and orphans that were forked past it.

        The C library blocks signals while it forks, so a child may come into a group just behind a signal to it; its
        parent dies of that signal, and it is ours then. A helper of a parent that lives is left in peace.
        """
        left = self.ours(rows)
        self.fire(number, leader, left, main_only)
        if number in ENDING and not main_only:
            for row in left:
                if row.ppid == os.getpid() and (row.pid, row.started) not in self._heard and self._may(row):
                    self._at(number, row, heard=False)

    def _may(self, row: Stat) -> bool:
        try:
            return proc.send(0, row)
        except PermissionError:
            self.leave(row)
            self._on_refusal(row)
            return False

    def _at_groups(self, number: int, rows: Iterable[Stat]) -> None:
        """Signal the groups of `rows`, which were all alive a moment ago.

        A group's id is not given away while the group has a member, a dead one that nobody has reaped included
        (setpgid(2), fork(2)), and `_may` has just seen a member by its start time. To hit a stranger all members would
        have to be reaped, and all other pids given out up to pid_max, since the kernel goes round in a circle, within
        those microseconds. A group lies within one session, so whoever has joined it meanwhile is of the same instance.
        """
        reached = list(rows)
        groups = {row.pgid for row in reached}
        if number not in EVERYBODYS:
            groups -= self._reached
            self._reached |= groups
            self._heard |= {(row.pid, row.started) for row in reached if row.pgid in groups}
        for group in groups:
            for each in (number, signal.SIGCONT) if number in ENDING else (number,):
                try:
                    os.killpg(group, each)
                except OSError:
                    pass  # it has gone, or some of it is another user's

    def _at(self, number: int, row: Stat, heard: bool = True) -> int:
        if heard and number in ENDING and row.pgid in self._reached:
            return 1
        self._reached.add(row.pgid)
        self._heard.add((row.pid, row.started))
        hit = proc.send(number, row)
        if number in ENDING:
            proc.send(signal.SIGCONT, row)
        return int(hit)


def main_process(number: int, leader: int, everybody: Iterable[Stat]) -> Stat | None:
    """The one that catches signal `number`: the leader, or down the chain of single children from it.

    `uv run`, `npm run` and shells stand before the program and do not pass signals on. None where nobody does.
    """
    rows = list(everybody)
    at = next((row for row in rows if row.pid == leader), None)
    while at is not None and not proc.catches(at.pid, number):
        children = [row for row in rows if row.ppid == at.pid]
        at = children[0] if len(children) == 1 else None
    return at
