"""One line on stderr, in procrun's name, that can never hold anything up."""

import _thread  # not threading: its start() waits for the thread, for ever where that has no memory to begin with
import os
import stat
from types import TracebackType

PATIENCE = 0.1
"""Seconds that another thread is given to write where a write may block."""


def tell(text: str) -> None:
    """Write the line if it can be written now: a paused terminal, a full pipe or a closed one is no fault here."""
    _put(f"procrun: {text}\n".encode(errors="surrogateescape"))


def crashed(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """For sys.excepthook: a supervisor that waited to show its own fault could never be seen to be gone."""
    try:
        import traceback

        text = "".join(traceback.format_exception(kind, error, where))
    except (ImportError, OSError, MemoryError):  # for want of a descriptor, or of memory
        text = f"procrun: {kind.__name__}: {error}\n"
    _put(text.encode(errors="replace"))


def _put(line: bytes) -> None:
    try:
        own = _own()
    except OSError:  # a socket, or another user's
        _from_aside(line)
        return
    _write(own, line)
    if own != 2:
        os.close(own)


def _own() -> int:
    """A description of our own: O_NONBLOCK on the shared one would change the parent shell's.

    Not for a regular file: that never blocks, and what the shell writes behind us begins where the shared description
    stands.
    """
    if stat.S_ISREG(os.fstat(2).st_mode):
        return 2
    return os.open("/proc/self/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def _from_aside(line: bytes) -> None:
    """Write where there is room, and in a thread: somebody else may take the room meanwhile."""
    import select  # the loop's own, so it is there already

    room = select.poll()
    room.register(2, select.POLLOUT)
    if room.poll(0):
        try:
            written = _thread.allocate_lock()
            written.acquire()
            _thread.start_new_thread(_write, (2, line, written))
            written.acquire(timeout=PATIENCE)
        except RuntimeError:  # for want of memory
            _write(2, line)


def _write(fd: int, line: bytes, written: "_thread.LockType | None" = None) -> None:
    try:
        os.write(fd, line)
    except OSError:
        pass
    if written is not None:
        written.release()
