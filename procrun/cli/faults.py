"""The one place where an error becomes a line on stderr and an exit status."""

from collections.abc import Callable

from procrun import stderr
from procrun.errors import ProcrunError


def told(work: Callable[[], int]) -> int:
    """Do `work`; its exit status, or that of its fault, which is told in one line."""
    try:
        return work()
    except ProcrunError as error:
        warn(str(error))
        return error.exit_status


def warn(text: str) -> None:
    """A line on stderr, in procrun's name."""
    stderr.tell(text)
