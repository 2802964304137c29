"""The kernel's word that something in a folder changes: dnotify (fcntl(2), F_NOTIFY).

It needs neither a library nor a thread, and while nothing changes nobody wakes up. It tells once; who wants to hear
more asks again.
"""

import fcntl
import os
import signal
from collections.abc import Iterable

CHANGES = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME
LOSSES = fcntl.DN_DELETE | fcntl.DN_RENAME


def ask(folders: Iterable[str], changes: int, number: int = signal.SIGIO) -> list[int]:
    """Have the kernel send this process signal `number`, once for each folder, when one of `changes` happens there.

    The descriptors that are returned must stay open until then. Each call opens the folders anew, as there may be
    others by these names now. Nothing is told of a folder that cannot be opened, nor where the kernel cannot tell
    (EINVAL). May block: a disk may stand still.
    """
    return [handle for folder in folders if (handle := _asked(folder, changes, number)) is not None]


def let_go(handles: Iterable[int]) -> None:
    """Hear no more of these."""
    for handle in handles:
        os.close(handle)


def _asked(folder: str, changes: int, number: int) -> int | None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, number)
        fcntl.fcntl(handle, fcntl.F_SETOWN, os.getpid())  # an older kernel would tell the thread that asks
        fcntl.fcntl(handle, fcntl.F_NOTIFY, changes)
    except OSError:
        os.close(handle)
        return None
    return handle
