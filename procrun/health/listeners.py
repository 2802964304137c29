"""What an instance listens on, found with as few looks at processes as can be: with a thousand of them each costs."""

from collections.abc import Callable, Iterable
from time import monotonic

from procrun.system.host import sockets as sockets_
from procrun.system.types import Listener

FRESH = 0.05
"""Seconds for which one look serves all who ask: a hundred who wait would have read the tables all the time."""

KNOWN_AFTER = 0.5
"""Seconds after which a socket that was not found to be an instance's is nobody's that matters."""


class Sockets:
    """Whatever listens on this machine: when each socket was first seen by this run, on the monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._there: dict[Listener, float] = {}
        self._looked = 0.0

    def look(self) -> dict[Listener, float]:
        """All that there is now, or was a moment ago, each with that time."""
        now = monotonic()
        if now - self._looked >= FRESH:
            rows = sockets_.all_listeners()
            self._seen = {row.inode: self._seen.get(row.inode, now) for row in rows}
            self._there = {row: self._seen[row.inode] for row in rows}
            self._looked = now
        return self._there

    def since(self, inode: str) -> float:
        """When the socket was first seen; now for one that was not."""
        return self._seen.get(inode, monotonic())


class Own:
    """Those of one instance, of whose processes `pids` tells; what listened before its start is none of them."""

    def __init__(self, sockets: Sockets, pids: Callable[[], Iterable[int]]) -> None:
        self._sockets = sockets
        self._pids = pids
        self._begun = monotonic()
        self._strange: set[str] = set()

    def age(self, row: Listener) -> float:
        """For how many seconds something has listened there, as far as this run has seen."""
        return monotonic() - self._sockets.since(row.inode)

    def listeners(self, port: int = 0) -> list[Listener]:
        """What it listens on now; on this `port` alone, where one is given."""
        new = {row: since for row, since in self._sockets.look().items() if since >= self._begun}
        asked = [row for row in new if row.inode not in self._strange and (not port or row.address[1] == port)]
        found = sockets_.listeners(self._pids(), asked) if asked else []
        if not found:
            now = monotonic()
            self._strange |= {row.inode for row in asked if now - new[row] > KNOWN_AFTER}
        return found
