"""One after the other: who asks something has a turn when it is due, and all together a share of the loop's time."""

import heapq
from time import monotonic

from procrun.eventloop.loop import Callback, Loop, Timer

REST = 4
"""How many times as long as the last turn took nobody has one: a look at /proc with a thousand processes takes long."""


class Turns:
    """Calls whoever is due, the one that has waited longest first, and lets the loop have its rest in between."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: list[Timer] = []
        self._free = 0.0
        self._next: Timer | None = None

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, in so many seconds or, in a crowd, later."""
        turn = Timer(monotonic() + seconds, callback)
        heapq.heappush(self._waiting, turn)
        self._arm()
        return turn

    def _arm(self) -> None:
        while self._waiting and self._waiting[0].callback is None:
            heapq.heappop(self._waiting)
        if not self._waiting:
            return
        when = max(self._waiting[0].when, self._free)
        if self._next is None or self._next.when > when:
            if self._next is not None:
                self._next.cancel()
            self._next = self._loop.at(when, self._take)

    def _take(self) -> None:
        self._next = None
        begun = monotonic()
        callback = heapq.heappop(self._waiting).callback if self._waiting else None
        if callback is not None:
            callback()
            now = monotonic()
            self._free = now + REST * (now - begun)
        self._arm()
