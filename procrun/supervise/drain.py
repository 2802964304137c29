"""What a worker's process title says of its work."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from procrun.supervise.members import Members
from procrun.supervise.surroundings import Surroundings
from procrun.system.host import process_table
from procrun.system.types import Stat

DRAIN_EVERY = 0.5
"""Seconds between two looks at the title of a quieted worker while it drains."""


class Busy(NamedTuple):
    """Jobs being worked on, of how many at the most, and whether no new ones are taken."""

    busy: int
    threads: int
    quiet: bool

    @property
    def drained(self) -> bool:
        """Whether it takes no new work and has finished the old."""
        return self.quiet and self.busy == 0


def told(pattern: str, rows: Sequence[Stat]) -> Busy | None:
    """What the first title of `rows` that matches says (the groups busy, slots and quiet); None where none does."""
    try:
        titles = [process_table.command_line(row.pid) for row in rows]
    except OSError:
        return None  # no descriptor to look with
    match = next(filter(None, (re.search(pattern, title) for title in titles)), None)
    return Busy(int(match["busy"]), int(match["slots"]), bool(match["quiet"])) if match is not None else None


def drained(pattern: str, rows: Sequence[Stat]) -> bool:
    """Whether the work of `rows` is done, as far as a title tells; not while one cannot be read (a dead disk)."""
    busy = told(pattern, rows)
    return busy.drained if busy is not None else not any(process_table.is_held_up(row.pid) for row in rows)


def busy(members: Members) -> Busy | None:
    """What the process title of an instance says of its work; None where it says nothing."""
    pattern = members.manners.busy_title
    return told(pattern, members.alive()) if pattern else None


def ask_drained(members: Members) -> Callable[[], bool]:
    """What tells, in a thread, whether an instance has finished all its work (Sidekiq's title is 5 s late)."""
    pattern, rows = members.manners.busy_title, members.alive()
    return (lambda: drained(pattern, rows)) if pattern else lambda: True


class DrainWait:
    """Looks at the title of a quieted worker while `going_on`, and calls `drained` once its work is done."""

    def __init__(
        self, around: Surroundings, members: Members, going_on: Callable[[], bool], drained: Callable[[], None]
    ) -> None:
        self._around = around
        self._members = members
        self._going_on = going_on
        self._drained = drained
        around.loop.after(DRAIN_EVERY, self._look)

    def _look(self) -> None:
        """Look in a thread: a command line may be held by a disk that stands still."""
        pattern, rows = self._members.manners.busy_title, self._members.alive()
        if pattern and self._going_on():
            self._around.questions().aside.do(lambda: told(pattern, rows), self._seen)

    def _seen(self, busy: Busy | None) -> None:
        if not self._going_on():
            return
        if busy is not None and busy.drained:
            self._drained()
        else:
            self._around.loop.after(DRAIN_EVERY, self._look)
