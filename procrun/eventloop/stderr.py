"""One line on stderr, in procrun's name, that can never hold anything up."""

import os
import stat
from types import TracebackType

from procrun.core.text import clean, clean_lines
from procrun.eventloop.worker import patiently
from procrun.system.host import pipes

PATIENCE = 0.5
"""Seconds that another thread is given to write where a write may block."""

_writing: list[bytes] = []
"""What such a thread has not put out yet: while a disk stands still nothing more is told."""


def tell(text: str) -> None:
    """Write the line if it can be written now: a paused terminal, a full pipe or a closed one is no fault here."""
    _put(f"procrun: {clean(text)}\n".encode())


def crashed(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """For sys.excepthook: a supervisor that waited to show its own fault could never be seen to be gone."""
    try:
        import traceback

        text = "".join(traceback.format_exception(kind, error, where))
    except (ImportError, OSError, MemoryError):  # for want of a descriptor, or of memory
        text = f"procrun: {kind.__name__}: {error}\n"
    _put(clean_lines(text).encode())


def _put(line: bytes) -> None:
    own = _own()
    if own is None:
        _from_aside(line)
    else:
        _write(own, line)
        os.close(own)


def _own() -> int | None:
    """A description of our own: O_NONBLOCK on the shared one would change the parent shell's.

    None where that is not allowed (a socket, another user's), and for a regular file: what the shell writes behind us
    begins where the shared description stands, and a disk that stands still blocks whatever the description says.
    """
    try:
        if stat.S_ISREG(os.fstat(2).st_mode):
            return None
        return pipes.opened_anew(2, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
    except OSError:
        return None


def _from_aside(line: bytes) -> None:
    """Write where there is room, and in a thread: somebody else may take the room meanwhile."""
    import select  # the loop's own, so it is there already

    room = select.poll()
    room.register(2, select.POLLOUT)
    if not _writing and room.poll(0):
        _writing.append(line)
        patiently(_write_waiting, PATIENCE)


def _write_waiting() -> None:
    _write(2, _writing[0])
    _writing.clear()


def _write(fd: int, line: bytes) -> None:
    try:
        os.write(fd, line)
    except OSError:
        pass
