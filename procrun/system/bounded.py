"""Does in a thread what may block for ever, and waits for it only so long.

Who waits may be a loop with deadlines to keep: it waits `PATIENCE` for the first thing that stands still and hardly at
all for a further one, and nothing that stands still is asked again before it has answered.
"""

import _thread  # not threading: its start() waits for the thread, for ever where that has no memory to begin with
from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from typing import Generic, TypeVar

PATIENCE = 0.2
"""Seconds that the first job has which stands still; a healthy one takes less than a millisecond."""

HURRY = 0.02
"""Seconds that each further one has while another one stands still."""

MOST = 3
"""Threads that may stand still at the same time, each perhaps with a descriptor; beyond that nothing more is tried."""

Result = TypeVar("Result")

_late: dict[Hashable, float] = {}
"""What has not answered in time, and since when it is asked (monotonic clock)."""


def each(jobs: Sequence[tuple[Hashable, Callable[[], Result]]], patience: float = PATIENCE) -> list[Result | None]:
    """Do these jobs, one after the other; what each returned, None for one that has not answered in time.

    A job has a name, so that what stands still is known the next time. Raises what a job raises.
    """
    answers: list[Result | None] = [None] * len(jobs)
    at = 0
    while at < len(jobs):
        if jobs[at][0] in _late or len(_late) >= MOST:
            at += 1
        else:
            at = _Worker(jobs, answers, at).work(min(patience, HURRY) if _late else patience)
    return answers


def any_late() -> bool:
    """Whether something stands still just now."""
    return bool(_late)


def late(name: Hashable) -> float:
    """For how many seconds the job of this name has not answered; 0 where none waits for an answer."""
    since = _late.get(name)
    return monotonic() - since if since is not None else 0.0


class _Worker(Generic[Result]):
    """Does the jobs from one on, in one thread, until one of them stands still."""

    def __init__(
        self, jobs: Sequence[tuple[Hashable, Callable[[], Result]]], answers: list[Result | None], at: int
    ) -> None:
        self._jobs = jobs
        self._answers = answers
        self._at = at
        self._fault: Exception | None = None
        self._left = False
        self._guard = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._done.acquire()

    def work(self, patience: float) -> int:
        """Have them done; which one comes next, as the one before it stands still, or their number."""
        try:
            _thread.start_new_thread(self._work, ())
        except RuntimeError:  # no more threads are allowed
            self._work()
        before = self._at
        while not self._done.acquire(timeout=patience):
            with self._guard:
                if self._at == before and not self._is_over():
                    self._left = True
                    _late[self._jobs[before][0]] = monotonic() - patience
                    return before + 1
                before = self._at
        if self._fault is not None:
            raise self._fault
        return len(self._jobs)

    def _work(self) -> None:
        while not self._is_over():
            name, job = self._jobs[self._at]
            answer = None
            try:
                if name not in _late:
                    answer = job()
            except Exception as fault:  # for who waits
                self._fault = fault
            with self._guard:
                if self._left:
                    _late.pop(name, None)
                    return
                self._answers[self._at] = answer
                self._at += 1
        self._done.release()

    def _is_over(self) -> bool:
        return self._at == len(self._jobs) or self._fault is not None
