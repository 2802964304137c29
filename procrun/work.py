"""What a worker's process title says of its work."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from procrun import proc
from procrun.model import Stat


class Busy(NamedTuple):
    """Jobs being worked on, of how many at the most, and whether no new ones are taken."""

    busy: int
    threads: int
    quiet: bool


def told(pattern: str, rows: Iterable[Stat]) -> Busy | None:
    """What the first title of `rows` that matches says (the groups busy, slots and quiet); None where none does."""
    for row in rows:
        match = re.search(pattern, proc.command_line(row.pid))
        if match is not None:
            return Busy(int(match["busy"]), int(match["slots"]), bool(match["quiet"]))
    return None
