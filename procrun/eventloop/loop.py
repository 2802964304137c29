"""One small event loop: descriptors, deadlines and signals, each turned into one plain call; it never polls."""

import heapq
import os
import signal
from collections.abc import Callable, Mapping
from time import monotonic

from procrun.system.host import Poller

Callback = Callable[[], None]

AT_ONCE = 16
"""Descriptors served before others may be: when a first one fills the output, few more are asked in vain."""


class Timer:
    """A deadline on the monotonic clock (seconds); `cancel` takes it back at no cost."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def __lt__(self, other: "Timer") -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """Calls back when a descriptor is ready, a deadline is due or a signal has come.

    Due deadlines are looked at between any two descriptors, so that no amount of input can delay a KILL.

    Who is `last` comes behind others that are ready, and while there are such, those whom a call for another one has
    woken (who reads what it wrote) may run before we go on: the kernel has put them on our processor, where they would
    wait until we sleep (WF_SYNC in kernel/sched/fair.c).
    """

    def __init__(self) -> None:
        self._poller = Poller()
        self._calls: dict[int, Callback] = {}
        self._last: set[int] = set()
        self._timers: list[Timer] = []
        self.stopped = False
        self._handlers: Mapping[int, Callback] = {}

    def read(self, fd: int, callback: Callback, last: bool = False) -> None:
        """Call `callback` whenever `fd` can be read (or has ended), until `forget`."""
        self._poller.read(fd)
        self._calls[fd] = callback
        if last:
            self._last.add(fd)

    def write(self, fd: int, callback: Callback) -> None:
        """Call `callback` whenever `fd` can be written, until `forget`; it is `last`, too."""
        self._poller.write(fd)
        self._calls[fd] = callback
        self._last.add(fd)

    def forget(self, fd: int) -> None:
        """Stop watching `fd`; one that is not watched is no fault."""
        if self._calls.pop(fd, None) is not None:
            self._last.discard(fd)
            self._poller.forget(fd)

    def __contains__(self, fd: int) -> bool:
        """Whether `fd` is watched."""
        return fd in self._calls

    def at(self, when: float, callback: Callback) -> Timer:
        """Call `callback` once, at `when` on the monotonic clock."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, timer)
        return timer

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now."""
        return self.at(monotonic() + seconds, callback)

    def signals(self, handlers: Mapping[int, Callback]) -> None:
        """Call a handler of `handlers` (by signal number) from the loop when its signal comes.

        The Python-level handler only notes the signal, so nothing is ever done inside a signal handler; a handler
        rather than SIG_IGN also means that a started program gets the default action back (execve(2)).
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._handlers = handlers
        for number in handlers:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.read(reader, lambda: self._dispatch(reader))

    def heed(self, number: int, callback: Callback) -> None:
        """Call `callback`, too, for one more signal than those of `signals`, which was called before."""
        others = self._handlers.get(number, _nothing)

        def all_of_them() -> None:
            others()
            callback()

        self._handlers = {**self._handlers, number: all_of_them}
        signal.signal(number, _noted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])

    def run(self) -> None:
        """Serve until `stop`."""
        while not self.stopped:
            self.turn()

    def turn(self) -> None:
        """Wait until there is something to do, and do it."""
        calls = self._calls
        ready = self._poller.poll(self._patience(), AT_ONCE)
        if self._last and len(ready) > 1:
            ready.sort(key=lambda event: event[0] in self._last)
        for fd, callback in [(fd, calls.get(fd)) for fd, _ in ready]:
            # An earlier call of this round may have forgotten it, or watch another of the same number.
            if callback is not None and calls.get(fd) is callback:
                callback()
                if self._last and fd not in self._last:
                    os.sched_yield()
            self._fire()
        self._fire()

    def stop(self) -> None:
        """Leave `run` after the present call, for good."""
        self.stopped = True

    def _patience(self) -> float | None:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].when - monotonic()) if self._timers else None

    def _fire(self) -> None:
        while self._timers and self._timers[0].when <= monotonic():
            callback = heapq.heappop(self._timers).callback
            if callback is not None:
                callback()

    def _dispatch(self, reader: int) -> None:
        """Once for many of one kind in a row, as signals do not queue (signal(7)): 1,000 ends are one SIGCHLD."""
        before = 0
        for number in os.read(reader, 4096):
            if number != before:
                self._handlers.get(number, _nothing)()
            before = number


def _noted(number: int, frame: object) -> None:
    """The signal's number is in the wakeup pipe; the loop acts on it."""


def _nothing() -> None:
    pass
