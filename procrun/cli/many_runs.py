"""Hears what several runs have to say at once, and puts it out in one place."""

import os
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from threading import Thread
from typing import TypeVar

from procrun.control.client import Run, VanishedError
from procrun.core.errors import ControlError, ProcrunError
from procrun.system.host import process_table

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
        except VanishedError:
            heard.put(_hung_up(run))
        except (ProcrunError, OSError) as error:
            heard.put(error if isinstance(error, ProcrunError) else ControlError(f"{run.path}: {error.strerror}"))
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


def _hung_up(run: Run) -> ControlError | None:
    """The run is over, and so is what can be heard of it; or it hung up on who reads too slowly."""
    if not os.path.exists(run.path) or process_table.stat(run.pid) is None:
        return None
    return ControlError(f"the procrun with pid {run.pid} has hung up: too much waited to be read here")
