"""When what ended by itself is started again: the restart policy, docker's back-off and Upstart's limit."""

import signal
from collections import deque
from collections.abc import Callable
from time import monotonic

from procrun.core.spec import Policy
from procrun.eventloop.loop import Loop, Timer
from procrun.system.types import Exit

FIRST = 0.1
"""Seconds before the first restart; each further one waits twice as long (docker's, as are the next two)."""

LONGEST = 60.0
"""Seconds that a restart waits at most."""

STEADY = 10.0
"""Seconds after which what has lived so long begins anew."""

CLEAN_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE})
"""Deaths that are no failure, as for systemd's Restart=on-failure (systemd.service(5))."""


class Backoff:
    """Remembers the restarts of one instance. Times are on the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._row = 0
        self._restarts: deque[float] = deque()

    def wait(self, policy: Policy, lived: float, now: float) -> float | None:
        """How long to wait before the next start; None where the policy's limit is reached.

        A limit caps the wait too, or "10/5" would never be reached: ten restarts fit into its five seconds.
        """
        longest = LONGEST
        if policy.limit is not None:
            longest = min(longest, policy.limit.seconds / policy.limit.restarts)
            while self._restarts and now - self._restarts[0] > policy.limit.seconds:
                self._restarts.popleft()
            if len(self._restarts) >= policy.limit.restarts:
                return None
            self._restarts.append(now)
        self._row = 1 if lived >= STEADY else self._row + 1
        if policy.at_once and self._row == 1:
            return 0.0
        return float(min(FIRST * 2.0 ** min(self._row - 1, 32), longest))


def ends_well(policy: Policy, end: Exit | None) -> bool:
    """Whether this end by itself is what it was started for."""
    return policy.once and end == Exit(0, None)


def comes_back(policy: Policy, end: Exit) -> bool:
    """Whether what ended like this is started again."""
    if policy.restart == "on-failure":
        return end.status != 0 and end.signal not in CLEAN_SIGNALS
    return policy.restart == "always"


class Restarter:
    """Decides whether one instance comes back, and holds its next start until the pause before it is over."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._backoff = Backoff()
        self._pause = 0.0
        self._timer: Timer | None = None

    def after_end(self, policy: Policy, end: Exit, lived: float) -> bool:
        """Whether an instance that ended by itself is started again."""
        return comes_back(policy, end) and self.after_hang(policy, lived)

    def after_hang(self, policy: Policy, lived: float) -> bool:
        """Whether a hung one is: regardless of `restart`, unless its limit is reached. The limit counts each one."""
        pause = self._backoff.wait(policy, lived, monotonic())
        self._pause = pause or 0.0
        return pause is not None

    def begin_pause(self, over: Callable[[], None]) -> float:
        """Call `over` after the pause that was decided; its seconds, 0 where there is none."""

        def resume() -> None:
            self._timer = None
            over()

        if self._pause:
            self._timer = self._loop.after(self._pause, resume)
        return self._pause

    def forget_pause(self) -> None:
        """Whatever comes next has a pause of its own."""
        self._pause = 0.0

    def end_pause(self) -> None:
        """Wait no more: it is started by hand."""
        self._pause = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
