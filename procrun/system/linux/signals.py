"""Sends a signal to exactly one process, and says which signals a process catches."""

import os
import signal

from procrun.system.linux import pidfds
from procrun.system.linux.procfs import _send_all, is_same, masks
from procrun.system.types import Exit, Stat


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


def ending(row: Stat) -> int | None:
    """A descriptor that can be read once exactly this process has ended (pidfd_open(2)); None where it has gone.

    Raises OSError where there are none (`pidfds.refusal`), or no descriptor is left.
    """
    try:
        handle = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return None
    if is_same(row):
        return handle
    os.close(handle)
    return None


def dead_child() -> tuple[int, Exit] | None:
    """Bury a child that has ended, if there is one: its pid, and how it ended (waitid(2))."""
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if info is None:
        return None
    exited = info.si_code == os.CLD_EXITED
    return info.si_pid, Exit(info.si_status, None) if exited else Exit(None, info.si_status)
