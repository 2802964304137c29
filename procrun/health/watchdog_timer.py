"""A time-out that knows when we stood still: who could not hear must not say that nothing was said."""

from collections.abc import Callable
from time import monotonic

from procrun.eventloop.loop import Loop, Timer

PARTS = 4
"""In so many looks a wait is divided, so that a stop of the whole machine in the midst of it is seen."""

LATE = 1.0
"""Seconds that a look may be late at most; one that is later means that we were stopped, or the machine was."""


class Countdown:
    """Calls `expired` when `heard` was not called for `seconds`; before that `look`, for what waits to be heard.

    A wait in which this process stood still (SIGSTOP, a frozen container, a paused machine) is told by `late`, and
    begins anew.
    """

    def __init__(
        self,
        loop: Loop,
        seconds: float,
        expired: Callable[[], None],
        look: Callable[[], None] = lambda: None,
        late: Callable[[], None] = lambda: None,
    ) -> None:
        self.seconds = seconds
        self._loop = loop
        self._expired = expired
        self._look = look
        self._late = late
        self._heard = 0.0
        self._timer: Timer | None = None

    @property
    def runs(self) -> bool:
        """Whether it has begun, and neither expired nor rests."""
        return self._timer is not None

    def begin(self) -> None:
        """From here on, all of it."""
        self.rest()
        self.heard()
        self._arm()

    def heard(self) -> None:
        """A sign of life."""
        self._heard = monotonic()

    def rest(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        when = min(self._heard + self.seconds, monotonic() + self.seconds / PARTS)
        self._timer = self._loop.at(when, lambda: self._due(when))

    def _due(self, when: float) -> None:
        now = monotonic()
        if now - when > min(LATE, self.seconds / PARTS):
            self._late()
            self.begin()
            return
        if now >= self._heard + self.seconds:
            self._look()
        if self._timer is None:
            return  # what was heard has ended the waiting
        if now < self._heard + self.seconds:
            self._arm()
            return
        self._timer = None
        self._expired()
