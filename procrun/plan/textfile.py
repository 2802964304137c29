"""Reads a small file of the user's: a plain one, or a pipe where that is allowed; never more than fits, and never held
up by what is no file.
"""

import errno
import os
import select
import stat
from enum import Enum

from procrun.core.errors import ConfigError
from procrun.eventloop import stderr

LARGEST = 8 * 1024 * 1024
"""Bytes that a file may have: more than any Procfile, lock file or environment (6 MiB at most, execve(2)) has."""

SETTINGS = 2 * 1024 * 1024
"""The same for a file of settings, which takes longer to be understood."""

PATIENCE = 1.0
"""Seconds without a byte after which it is told what is waited for."""

STDIN = 0
TERMINAL = "a terminal"


class Pipes(Enum):
    """What becomes of a pipe, a terminal or another device in the place of a file."""

    READ = "it is read to its end, whenever that comes"
    READ_ONCE = "it was read to its end once, and is refused now"
    REFUSED = "it is refused"


def read(path: str | int, name: str, pipes: Pipes = Pipes.REFUSED, largest: int = LARGEST) -> bytes:
    """All of the file at `path`, or of a descriptor; `name` is what people call it.

    Raises ConfigError for more than `largest` bytes and for what is no plain file, unless `pipes` says that it is read;
    OSError where the system lets nothing be read.
    """
    handle = path if isinstance(path, int) else os.open(path, _HOW)
    try:
        kind = os.fstat(handle)
        if stat.S_ISDIR(kind.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if _is_null(kind):
            return b""
        if pipes is Pipes.READ_ONCE and (handle == STDIN or not stat.S_ISREG(kind.st_mode)):
            raise ConfigError("is no plain file and is read only once; stop procrun and start it again", name)
        if not stat.S_ISREG(kind.st_mode) and pipes is Pipes.REFUSED:
            raise ConfigError(f"is {_called(handle, kind)}, and has to be a plain file", name)
        return _whole(handle, name, kind, largest)
    finally:
        if handle is not path:
            os.close(handle)


def text(path: str, largest: int = SETTINGS) -> str:
    """What is in a plain file, as far as it is UTF-8; nothing where there is none, or more than `largest` bytes."""
    try:
        return read(path, path, largest=largest).decode(errors="replace").replace("\r\n", "\n")
    except (OSError, ValueError, ConfigError):
        return ""


def first_bytes(path: str, most: int) -> bytes:
    """The first bytes of a plain file, as they are; none of anything else, or where it cannot be read."""
    try:
        handle = os.open(path, _HOW)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(handle, most) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


_HOW = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""A FIFO that nobody writes to is open at once, and so is a terminal that waits for its carrier."""


def _whole(handle: int, name: str, kind: os.stat_result, largest: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    waiting = None if stat.S_ISREG(kind.st_mode) else _Waiting(handle, name, kind)
    while size <= largest:
        if waiting is not None:
            waiting.wait(begun=size > 0)
        try:
            part = os.read(handle, 65536)
        except BlockingIOError:
            continue  # somebody else was faster
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise ConfigError(f"has more than {largest} bytes; name another file", name)


class _Waiting:
    """Waits for the next bytes of what is no file, and says so once where they do not come soon."""

    def __init__(self, handle: int, name: str, kind: os.stat_result) -> None:
        self._name = name
        self._called = _called(handle, kind)
        self._told = False
        self._room = select.poll()
        self._room.register(handle, select.POLLIN)

    def wait(self, begun: bool) -> None:
        """Until there is something to read, or the end of it."""
        if not self._told and not self._room.poll(PATIENCE * 1000):
            self._told = True
            what = "whose writer has not ended" if begun else "that nobody writes to"
            what = "that Ctrl-D ends" if self._called == TERMINAL else what
            stderr.tell(f"waiting for {self._name} ({self._called} {what}) …")
        self._room.poll()


def _is_null(kind: os.stat_result) -> bool:
    return stat.S_ISCHR(kind.st_mode) and os.path.samestat(kind, os.stat(os.devnull))


def _called(handle: int, kind: os.stat_result) -> str:
    if stat.S_ISFIFO(kind.st_mode):
        return "a FIFO"
    if stat.S_ISSOCK(kind.st_mode):
        return "a socket"
    return TERMINAL if os.isatty(handle) else "a device"
