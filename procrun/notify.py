"""The socket by which one instance tells how it is, as sd_notify(3) has it; nothing that comes there does harm."""

import errno
import itertools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from procrun import rundir
from procrun.errors import ConfigError
from procrun.loop import Loop, Timer

if TYPE_CHECKING:
    import socket

LONGEST = 4096
"""Bytes that a message may have; a longer one is left out, as systemd does (NOTIFY_BUFFER_MAX)."""

AT_ONCE = 16
"""Messages that are read in a row; who sends more is read on after PAUSE, and waits meanwhile."""

PAUSE = 0.02
"""Seconds: 800 messages a second are more than anybody has to say."""

MOST_WAITING = 1024
"""Messages that can wait in a socket where its queue was made longer than usual (net.unix.max_dgram_qlen is 10)."""

LONGEST_STATUS = 200
"""Letters of a STATUS= that are kept."""

_numbers = itertools.count(1)
"""One for each start, so that what an earlier start has left behind reaches nobody."""


class Mailbox:
    """A datagram socket in the folder of the run, `path`, for one start of one instance; it calls `hear` with what
    was assigned in each message.

    Descriptors that come along (FDSTORE=1, BARRIER=1) never become ours: the kernel closes what nobody asks for, and
    that is what sd_notify_barrier(3) waits for. Raises OSError where there can be no socket.
    """

    def __init__(self, root: str, loop: Loop, hear: Callable[[Mapping[str, str]], None]) -> None:
        self._loop = loop
        self._hear = hear
        self._pause: Timer | None = None
        self._socket, self.path = _bound(root)
        self._listen()

    def look(self) -> None:
        """Hear what has come by now."""
        self._take(MOST_WAITING)

    def close(self) -> None:
        """Nobody of it is left."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        rundir.remove(self.path)

    def _listen(self) -> None:
        self._pause = None
        self._loop.read(self._socket.fileno(), self._read)

    def _read(self) -> None:
        if self._take(AT_ONCE) and self._pause is None:
            self._loop.forget(self._socket.fileno())
            self._pause = self._loop.after(PAUSE, self._listen)

    def _take(self, most: int) -> bool:
        """Read so many messages at the most; whether there may be more."""
        for _ in range(most):
            try:
                data = os.read(self._socket.fileno(), LONGEST + 1)
            except OSError:
                return False
            if len(data) <= LONGEST:
                self._hear(assignments(data))
        return True


def assignments(message: bytes) -> dict[str, str]:
    """`READY=1` and the like, one a line; of two of one name the first counts, what is none is left out."""
    found: dict[str, str] = {}
    for line in message.rstrip(b"\0").decode(errors="replace").split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, value)
    return found


def _bound(root: str) -> "tuple[socket.socket, str]":
    """A socket in the first folder of the run that can hold one, and its path."""
    import socket  # 6 ms, where it is configured only

    number = next(_numbers)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    os.fchmod(made.fileno(), 0o600)  # what bind(2) gives to the file
    passed: list[str] = []
    try:
        for folder in rundir.make(root, passed):
            path = rundir.notify_path(folder, number)
            try:
                if number == 1:
                    _clear(folder)
                made.bind(path)
            except OSError as error:
                passed.append(f"{folder}: {error.strerror}")
            else:
                return made, path
    except ConfigError:
        pass
    made.close()
    raise OSError(errno.EADDRNOTAVAIL, f"no folder for its NOTIFY_SOCKET ({'; '.join(passed)})")


def _clear(folder: str) -> None:
    """Take away the sockets of runs that were killed: at those nobody listens."""
    import socket

    for path in rundir.notify_paths(folder):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                rundir.remove(path)
