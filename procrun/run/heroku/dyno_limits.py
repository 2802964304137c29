"""Do web processes listen on their $PORT in time: looked for quickly at first, then more seldom, and then no more."""

from collections.abc import Callable, Sequence
from time import monotonic

from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import Occasional
from procrun.system.host import process_table, sockets
from procrun.system.types import Stat

FIRST, LAST, GROWS = 0.05, 1.0, 1.5
"""Seconds between two looks: behind a start, at the most, and how fast they grow."""


class Boot:
    """One instance that boots: it listens on `port`, whichever of `rows` does and at whatever address, and is bound.

    After `limit` seconds `on_timeout` is called with the ports that it listens on instead.
    """

    def __init__(
        self,
        port: int,
        rows: Callable[[], Sequence[Stat]],
        limit: float,
        on_bound: Callable[[], None],
        on_timeout: Callable[[list[int]], None],
    ) -> None:
        self.left = limit
        self._port = port
        self._rows = rows
        self._on_bound = on_bound
        self._on_timeout = on_timeout
        self._seen = monotonic()

    def look(self, taken: set[int]) -> set[int] | None:
        """The ports that it listens on once that decides; None before. `taken` are those that anybody listens on.

        Time in which all of it was suspended (Ctrl-Z) does not count.
        """
        rows, now = self._rows(), monotonic()
        if not rows or any(row.state != "T" for row in rows):
            self.left -= now - self._seen
        self._seen = now
        if self._port not in taken and self.left > 0:
            return None
        found = sockets.listeners((row.pid for row in rows), sockets.all_listeners())  # only where it matters: it costs
        ports = {each.address[1] for each in found if isinstance(each.address, tuple)}
        return ports if self._port in ports or self.left <= 0 else None

    def end(self, ports: set[int]) -> None:
        """It is bound, or its time is over."""
        if self._port in ports:
            self._on_bound()
        else:
            self._on_timeout(sorted(ports))


class Boots:
    """Looks at all that boot at once: a hundred of them are one look at the sockets, not a hundred."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._boots: list[Boot] = []
        self._pause = FIRST
        self._timer: Timer | None = None

    def add(self, boot: Boot) -> None:
        """Look at this one, too, until it is bound or its time is over."""
        self._boots.append(boot)
        if self._timer is None or self._pause > FIRST:
            self._pause = FIRST
            self._arm()

    def remove(self, boot: Boot) -> None:
        """Look at it no more; one that is not looked at is no fault."""
        if boot in self._boots:
            self._boots.remove(boot)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = min(self._pause, *(max(boot.left, FIRST) for boot in self._boots), LAST)
        self._timer = self._loop.after(wait, self._look) if self._boots else None

    def _look(self) -> None:
        self._pause = min(self._pause * GROWS, LAST)
        over = []
        try:
            taken = set(sockets.listening()) if self._boots else set()
            for boot in self._boots:
                ports = boot.look(taken)
                if ports is not None:
                    over.append((boot, ports))
        except OSError:
            pass  # no descriptor to look with: nothing is known, so nothing is done
        for boot, ports in over:
            self.remove(boot)
            boot.end(ports)
        self._arm()


FIRST_LOOK, LONGEST_PAUSE = 1.0, 20.0
"""Seconds from the start to the first look; each further one comes after twice as long, and 20 s at the most.

Heroku looks every 20 s or so, as its logs show; what allocates too much at its start is seen sooner here.
"""


VASTLY = 2
"""How many times its quota an instance must hold to be killed. Heroku's own factor depends on the kind of dyno."""


class Quota:
    """Calls `on_over` with the bytes that the processes of `rows` hold, at each look that finds more than `quota`.

    It looks in the thread of `aside`: to count a large memory takes its time, and a dead disk may hold it up.
    """

    def __init__(
        self,
        loop: Loop,
        aside: Occasional,
        quota: int,
        rows: Callable[[], Sequence[Stat]],
        on_over: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._aside = aside
        self._quota = quota
        self._rows = rows
        self._on_over = on_over
        self._next = FIRST_LOOK
        self._over = False
        self._timer: Timer = loop.after(FIRST_LOOK, self._look)

    def cancel(self) -> None:
        """Look no more."""
        self._over = True
        self._timer.cancel()

    def _look(self) -> None:
        self._next = min(2 * self._next, LONGEST_PAUSE)
        self._timer = self._loop.after(self._next, self._look)
        try:
            rows = self._rows()
        except OSError:
            return  # no descriptor to look with
        self._aside.do(lambda: _held(rows), self._weigh)

    def _weigh(self, held: int) -> None:
        if held > self._quota and not self._over:
            self._on_over(held)


def _held(rows: Sequence[Stat]) -> int:
    try:
        return sum(process_table.held(row.pid) for row in rows)
    except OSError:
        return 0  # no descriptor to look with


def share(held: int, quota: int) -> str:
    """`1028M(103.3%)`: Heroku's words for how much that is; M is 1024 times 1024 bytes."""
    return f"{held // 2**20}M({100 * held / quota:.1f}%)"
