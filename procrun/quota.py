"""How much memory an instance with a quota holds, all its processes together: looked at now and then."""

from collections.abc import Callable, Sequence

from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import Occasional
from procrun.system.linux import procfs
from procrun.system.types import Stat

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
        return sum(procfs.held(row.pid) for row in rows)
    except OSError:
        return 0  # no descriptor to look with


def share(held: int, quota: int) -> str:
    """`1028M(103.3%)`: Heroku's words for how much that is; M is 1024 times 1024 bytes."""
    return f"{held // 2**20}M({100 * held / quota:.1f}%)"
