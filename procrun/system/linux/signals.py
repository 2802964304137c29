"""Sends a signal to exactly one process, and says which signals a process catches."""

import os
import signal

from procrun.system.linux import pidfds
from procrun.system.linux.procfs import _send_all, masks
from procrun.system.types import Stat


def send(number: int, row: Stat, *behind: int) -> bool:
    """Signal exactly the process of `row`, never another one that got its pid since; False when it is gone.

    The signals `behind` follow the first; that it has ended of the first is no fault. Where there are no pidfds the
    start time is checked right before the signal. Raises PermissionError for another user's process (`sudo …`).
    """
    if pidfds.refusal():
        return _send_all((number, *behind), row, lambda each: os.kill(row.pid, each))
    try:
        handle = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return False
    try:
        return _send_all((number, *behind), row, lambda each: signal.pidfd_send_signal(handle, each))
    finally:
        os.close(handle)


def catches(pid: int, number: int) -> bool:
    """Whether `pid` has a handler for signal `number`; without one most signals kill."""
    return bool(masks(pid).caught >> (number - 1) & 1)
