"""What may block is done in a thread, one job after the other: a disk may stand still, and the loop may not."""

import _thread  # not threading: its start() waits for the thread, for ever where that has no memory to begin with
import os
import signal
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from procrun.loop import Loop

PATIENCE = 2.0
"""Seconds that a disk has for something small at the end of a run."""

Result = TypeVar("Result")


class Aside:
    """One thread and its jobs. `news` is the descriptor that can be read when something is done."""

    def __init__(self, loop: "Loop") -> None:
        from _queue import SimpleQueue  # not queue: it imports threading, which costs a start 6 ms

        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._done: deque[Callable[[], None]] = deque()
        self._alone = False
        self.news, self._writer = os.pipe()
        os.set_blocking(self.news, False)
        os.set_blocking(self._writer, False)
        loop.read(self.news, self.deliver, last=True)
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:  # no more threads are allowed
            self._alone = True

    def do(self, job: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do `job`, which raises nothing, and have the loop call `then` with its result."""

        def work() -> None:
            result = job()
            self._done.append(lambda: then(result))
            try:
                os.write(self._writer, b"!")
            except BlockingIOError:
                pass  # a full pipe wakes the loop as well

        if self._alone:
            work()
        else:
            self._jobs.put(work)

    def deliver(self) -> None:
        """Call `then` of all that is done."""
        try:
            os.read(self.news, 4096)
        except BlockingIOError:
            return
        while self._done:
            self._done.popleft()()

    def _work(self) -> None:
        """Signals are for the other thread: the loop waits for them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            self._jobs.get()()


def patiently(job: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Do `job`, which raises nothing, in a thread of its own; whether it was done within so many seconds."""
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        job()
        done.release()

    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:  # no more threads are allowed
        job()
        return True
    return done.acquire(timeout=patience)
