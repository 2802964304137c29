"""Does a web process listen on its $PORT in time: looked for quickly at first, then more seldom, and then no more."""

from collections.abc import Callable, Sequence

from procrun import proc
from procrun.loop import Loop, Timer
from procrun.model import Stat

FIRST, LAST, GROWS = 0.05, 1.0, 1.5
"""Seconds between two looks: at first, at the most, and how fast they grow."""


class Boot:
    """Looks until any of `rows` listens on `port`, at whatever address, and calls `on_bound`.

    After `limit` seconds it calls `on_timeout` with the ports that it listens on instead; while all of it is suspended
    (Ctrl-Z) no time passes.
    """

    def __init__(
        self,
        loop: Loop,
        port: int,
        rows: Callable[[], Sequence[Stat]],
        limit: float,
        on_bound: Callable[[], None],
        on_timeout: Callable[[list[int]], None],
    ) -> None:
        self._loop = loop
        self._port = port
        self._rows = rows
        self._left = limit
        self._on_bound = on_bound
        self._on_timeout = on_timeout
        self._next = FIRST
        self._waited = 0.0
        self._timer: Timer | None = None
        self._wait()

    def cancel(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._waited = min(self._next, max(self._left, FIRST))
        self._timer = self._loop.after(self._waited, self._look)

    def _look(self) -> None:
        self._next = min(self._next * GROWS, LAST)
        try:
            rows = self._rows()
            ports = self._ports(rows)
        except OSError:  # no descriptor to look with: nothing is known, so nothing is done
            self._wait()
            return
        if not rows or any(row.state != "T" for row in rows):
            self._left -= self._waited
        if self._port in ports:
            self._on_bound()
        elif self._left > 0:
            self._wait()
        else:
            self._on_timeout(sorted(ports))

    def _ports(self, rows: Sequence[Stat]) -> set[int]:
        """What it listens on; whose socket it is is asked only where that matters: it means to read all descriptors."""
        if self._left > self._waited and self._port not in proc.listening():
            return set()
        found = proc.listeners(row.pid for row in rows)
        return {each.address[1] for each in found if isinstance(each.address, tuple)}
