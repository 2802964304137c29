"""The socket by which one instance tells how it is, as sd_notify(3) has it; nothing that comes there does harm."""

import errno
import itertools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from procrun.core import run_dir
from procrun.core.errors import ConfigError
from procrun.eventloop.loop import Loop, Timer
from procrun.system.host import may_stand_still

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

MOST_SOCKETS = 3
"""Sockets of one start whose names somebody removed: the first, which a program may have connected to for good, and
the last ones.
"""

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
        self.called = "socket for sd_notify"
        self.reachable = True
        """Whether the instance can find it; False once its name is gone for good."""
        self._loop = loop
        self._hear = hear
        self._pause: Timer | None = None
        made, self.path = _bound(root)
        self._sockets = [made]
        self._file = run_dir.file_at(self.path)
        self._listen()

    def is_there(self) -> bool:
        """Whether the instance finds it. May block."""
        return run_dir.file_at(self.path) == self._file

    def remake(self, folder: str) -> Callable[[], None]:
        """Have another socket where it was, as its path is known to the instance; what is returned has it heard.

        What is connected to the socket that has lost its name goes on to be heard. May block. Raises OSError where that
        cannot be, or in another folder.
        """
        if folder != os.path.dirname(self.path):
            raise OSError(errno.EXDEV, "a process that is told of a socket looks for it where it was")
        made = _unbound()
        try:
            made.bind(self.path)
        except OSError:
            made.close()
            raise
        file = run_dir.file_at(self.path)

        def count() -> None:
            self._rest()
            self.reachable = True
            if len(self._sockets) == MOST_SOCKETS:
                self._sockets.pop(1).close()
            self._sockets.append(made)
            self._file = file
            self._listen()

        return count

    def give_up(self) -> None:
        """It cannot be made anew: what the instance says from here on may not come."""
        self.reachable = False

    def look(self) -> None:
        """Hear what has come by now."""
        self._take(MOST_WAITING)

    def close(self) -> None:
        """Nobody of it is left."""
        self._rest()
        for each in self._sockets:
            each.close()
        run_dir.remove(self.path)

    def _rest(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        for each in self._sockets:
            self._loop.forget(each.fileno())

    def _listen(self) -> None:
        self._pause = None
        for each in self._sockets:
            self._loop.read(each.fileno(), self._read)

    def _read(self) -> None:
        if self._take(AT_ONCE) and self._pause is None:
            self._rest()
            self._pause = self._loop.after(PAUSE, self._listen)

    def _take(self, most: int) -> bool:
        """Read so many messages at the most, of each socket; whether there may be more."""
        more = [self._take_from(each.fileno(), most) for each in self._sockets]
        return any(more)

    def _take_from(self, fd: int, most: int) -> bool:
        for _ in range(most):
            try:
                data = os.read(fd, LONGEST + 1)
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
    number = next(_numbers)
    made = _unbound()
    passed: list[str] = []
    try:
        for folder in run_dir.make(root, passed, local=may_stand_still(root)):
            path = run_dir.notify_path(folder, number)
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


def _unbound() -> "socket.socket":
    import socket  # 6 ms, where it is configured only

    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    os.fchmod(made.fileno(), 0o600)  # what bind(2) gives to the file
    return made


def _clear(folder: str) -> None:
    """Take away the sockets of runs that were killed: at those nobody listens."""
    import socket

    for path in run_dir.notify_paths(folder):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                run_dir.remove(path)
