"""What may block is done in a thread, one job after the other: a disk may stand still, and the loop may not."""

import _thread  # not threading: its start() waits for the thread, for ever where that has no memory to begin with
import os
import signal
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from procrun.eventloop.loop import Loop

PATIENCE = 2.0
"""Seconds that a disk has for something small at the end of a run."""

Result = TypeVar("Result")


class _Apart:
    """Jobs that a thread does. `news` is the descriptor that can be read when something is done."""

    def __init__(self, loop: "Loop") -> None:
        self._done: deque[Callable[[], None]] = deque()
        self.news, self._writer = os.pipe()
        os.set_blocking(self.news, False)
        os.set_blocking(self._writer, False)
        loop.read(self.news, self.deliver, last=True)

    def do(self, job: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do `job`, which raises nothing, and have the loop call `then` with its result."""

        def work() -> None:
            result = job()
            self._done.append(lambda: then(result))
            try:
                os.write(self._writer, b"!")
            except BlockingIOError:
                pass  # a full pipe wakes the loop as well

        self._hand_over(work)

    def deliver(self) -> None:
        """Call `then` of all that is done."""
        try:
            os.read(self.news, 4096)
        except BlockingIOError:
            return
        while self._done:
            self._done.popleft()()

    def _hand_over(self, work: Callable[[], None]) -> None:
        raise NotImplementedError


class Aside(_Apart):
    """For what is done all the time: the thread waits for the next job."""

    def __init__(self, loop: "Loop") -> None:
        from _queue import SimpleQueue  # not queue: it imports threading, which costs a start 6 ms

        super().__init__(loop)
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._alone = not _begun(self._work)

    def _hand_over(self, work: Callable[[], None]) -> None:
        if self._alone:
            work()
        else:
            self._jobs.put(work)

    def _work(self) -> None:
        while True:
            self._jobs.get()()


class Occasional(_Apart):
    """For what is done now and then: the thread ends when no job waits."""

    def __init__(self, loop: "Loop") -> None:
        super().__init__(loop)
        self._handing = _thread.allocate_lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._working = False

    def _hand_over(self, work: Callable[[], None]) -> None:
        with self._handing:
            self._jobs.append(work)
            if self._working:
                return
            self._working = True
        if not _begun(self._work):
            self._work()

    def _work(self) -> None:
        while True:
            with self._handing:
                self._working = bool(self._jobs)
                if not self._working:
                    return
                job = self._jobs.popleft()
            job()


def _begun(work: Callable[[], None]) -> bool:
    """Whether a thread does it now; signals are for the other one: the loop waits for them."""

    def go() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        work()

    try:
        _thread.start_new_thread(go, ())
    except RuntimeError:  # no more threads are allowed
        return False
    return True


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
