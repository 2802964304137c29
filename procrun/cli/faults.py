"""The one place where an error becomes a line on stderr and an exit status."""

from collections.abc import Callable

from procrun import limits, stderr
from procrun.errors import EXHAUSTED, ProcrunError


def told(work: Callable[[], int]) -> int:
    """Do `work`; its exit status, or that of its fault, which is told in one line."""
    try:
        return work()
    except ProcrunError as error:
        warn(str(error))
        return error.exit_status
    except OSError as error:
        if error.errno not in EXHAUSTED:
            raise
        warn(limits.why(error))  # what a supervisor leaves now is the front's to stop
        return 1
    except MemoryError:
        warn("out of memory")
        return 1


def warn(text: str) -> None:
    """A line on stderr, in procrun's name."""
    stderr.tell(text)
