"""When what ended by itself is started again: the restart policy, docker's back-off and Upstart's limit."""

import signal
from collections import deque

from procrun.core.spec import Policy
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
