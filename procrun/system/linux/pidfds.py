"""Handles of processes (pidfd_open(2)): a signal through one cannot hit another process that got the pid meanwhile.

Linux has had them since 5.3. An older kernel answers ENOSYS, as some sandboxes do; others answer EPERM to every system
call that they do not know. There a signal goes to the pid, after a check of the start time.
"""

import os
import signal
from functools import cache

from procrun.system.limits import EXHAUSTED

LOOK_EVERY = 0.1
"""Seconds between two looks for the end of a process that is no child, where no handle tells of it."""


@cache
def refusal() -> str:
    """Why there are no handles here, in the system's words; empty where there are.

    Asked once, of this process itself: whoever may not be signalled, this one may. Raises OSError where descriptors
    have run out.
    """
    try:
        handle = os.pidfd_open(os.getpid())
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return os.strerror(error.errno or 0)
    try:
        signal.pidfd_send_signal(handle, 0)
    except OSError as error:
        return os.strerror(error.errno or 0)
    finally:
        os.close(handle)
    return ""


def warning() -> str:
    """What people should know of that, empty where there are handles."""
    why = refusal()
    return why and f"this system gives no pidfds ({why}): a signal goes to a pid, after a check of its start time"
