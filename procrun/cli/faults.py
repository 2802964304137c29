"""The one place where an error becomes a line on stderr and an exit status."""

import os
from collections.abc import Callable

from procrun.errors import ProcrunError


def told(work: Callable[[], int]) -> int:
    """Do `work`; its exit status, or that of its fault, which is told in one line."""
    try:
        return work()
    except ProcrunError as error:
        warn(str(error))
        return error.exit_status


def warn(text: str) -> None:
    """A line on stderr, in procrun's name; a stderr that is gone (a closed terminal) is no fault."""
    try:
        os.write(2, f"procrun: {text}\n".encode(errors="surrogateescape"))
    except OSError:
        pass
