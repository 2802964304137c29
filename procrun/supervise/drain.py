"""What a worker's process title says of its work."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from procrun.system.linux import procfs
from procrun.system.types import Stat


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
        titles = [procfs.command_line(row.pid) for row in rows]
    except OSError:
        return None  # no descriptor to look with
    match = next(filter(None, (re.search(pattern, title) for title in titles)), None)
    return Busy(int(match["busy"]), int(match["slots"]), bool(match["quiet"])) if match is not None else None


def drained(pattern: str, rows: Sequence[Stat]) -> bool:
    """Whether the work of `rows` is done, as far as a title tells; not while one cannot be read (a dead disk)."""
    busy = told(pattern, rows)
    return busy.drained if busy is not None else not any(procfs.is_held_up(row.pid) for row in rows)
