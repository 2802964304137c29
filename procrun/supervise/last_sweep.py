"""The end of a run: what belongs to no instance is stopped once every instance is down."""

from collections.abc import Callable, Collection
from typing import Protocol

from procrun.eventloop.loop import Loop
from procrun.system.process_tree import Family


class Sweeper(Protocol):
    """Stops processes of a run that belong to no instance; `told_of` says which, for people."""

    told_of: list[str]

    def hurry(self) -> None:
        """Send KILL now."""

    def check(self, why: str) -> None:
        """Stop what is left, as `why` says; looked at again whenever a process has ended."""


MakeSweeper = Callable[[Loop, Family, Callable[[], None], Collection[int]], Sweeper]
"""Makes a sweeper that calls its third argument once nothing is left, and spares these sessions."""


class LastSweep:
    """Ends the loop once nothing of the run is left; the sweeper is made where something is."""

    def __init__(self, loop: Loop, family: Family, make: MakeSweeper) -> None:
        self._loop = loop
        self._family = family
        self._make = make
        self._sweeper: Sweeper | None = None

    @property
    def told_of(self) -> list[str]:
        """What had to be stopped, for people."""
        return self._sweeper.told_of if self._sweeper is not None else []

    def hurry(self) -> None:
        """Send KILL now."""
        if self._sweeper is not None:
            self._sweeper.hurry()

    def check(self, spared: Collection[int]) -> None:
        """Every instance is down: stop what is left, but for these sessions, with TERM, a budget and KILL."""
        left = any(row.sid not in spared for row in self._family.everybody())
        if self._sweeper is None and not left and self._family.certain:
            self._loop.stop()
            return
        if self._sweeper is None:
            self._sweeper = self._make(self._loop, self._family, self._loop.stop, spared)
        self._sweeper.check("all instances are down")
