"""Hears what several runs have to say at once, and puts it out in one place."""

from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from threading import Thread
from typing import TypeVar

from procrun.core.errors import ProcrunError
from procrun.engines.base import Run

Heard = TypeVar("Heard")

AHEAD = 2
"""What may wait to be put out: a slow reader holds us back, and by that what is asked of a run."""


def hear(runs: Sequence[Run], listen: Callable[[Run, Callable[[Heard], None]], None]) -> Iterator[Heard]:
    """What `listen` passes on of each run, until all have ended. Raises ProcrunError for the first fault.

    A thread for each run; who iterates does all writing, so that a broken pipe and Ctrl-C come to it.
    """
    heard: Queue[Heard | ProcrunError | None] = Queue(AHEAD)

    def work(run: Run) -> None:
        try:
            listen(run, heard.put)
        except ProcrunError as error:
            heard.put(error)
        else:
            heard.put(None)

    for run in runs:
        Thread(target=work, args=(run,), daemon=True).start()
    left = len(runs)
    while left:
        item = heard.get()
        if isinstance(item, ProcrunError):
            raise item
        if item is None:
            left -= 1
        else:
            yield item
