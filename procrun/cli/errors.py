"""The one place where an error becomes a line on stderr and an exit status."""

import os
from collections.abc import Callable

from procrun.core.errors import ConfigError, ProcrunError
from procrun.eventloop import stderr
from procrun.system import limits
from procrun.system.limits import EXHAUSTED


def told(work: Callable[[], int]) -> int:
    """Do `work`; its exit status, or that of its fault, which is told in one line."""
    try:
        return work()
    except ProcrunError as error:
        stderr.tell(str(error))
        return error.exit_status
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not _has_folder():
            stderr.tell("the current folder was removed; go to one that is there")
            return ConfigError.exit_status
        if error.errno not in EXHAUSTED:
            raise
        stderr.tell(limits.why(error))  # what a supervisor leaves now is the front's to stop
        return 1
    except MemoryError:
        stderr.tell("out of memory")
        return 1


def _has_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
