"""When processes die, seen from outside by their pidfds."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Deaths:
    """Watches processes; `moments` has the end of each that died, in seconds of `time.monotonic()`.

    A pidfd can be read as soon as its process is a zombie (pidfd_open(2)), whoever reaps it.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self.moments: dict[int, float] = {}
        self._alive = {os.pidfd_open(pid): pid for pid in pids}
        self._poll = select.poll()
        for fd in self._alive:
            self._poll.register(fd, select.POLLIN)

    def watch(self, until: float) -> None:
        """Note who dies before `until` (`time.monotonic()`); return then, or as soon as all are dead."""
        while self._alive and (wait := until - time.monotonic()) > 0:
            for fd, _ in self._poll.poll(wait * 1000):
                self.moments[self._alive[fd]] = time.monotonic()
                self._forget(fd)

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in list(self._alive):
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        del self._alive[fd]
        self._poll.unregister(fd)
        os.close(fd)


@contextmanager
def ahead_of_all() -> Iterator[None]:
    """Run this thread before all others meanwhile (SCHED_FIFO, sched(7)), where that is allowed (root).

    What is watched on a machine under load is then seen when it happens, not when this process gets its turn. What
    it starts meanwhile has no such priority.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)
