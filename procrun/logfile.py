"""One file for each process type in a folder: every line with its time and instance, rotated by size and by time."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from time import localtime, strftime, time
from typing import NamedTuple

from procrun.lines import Amount, measure
from procrun.model import PERIODS
from procrun.prefix import put

_NOTHING = Amount()


class Rotation(NamedTuple):
    """When a file is begun anew: at so many bytes, and as often as PERIODS says; `keep` old ones stay."""

    size: int
    keep: int
    period: str


class LogFiles:
    """Writes lines into `folder`; `on_loss` hears that a file takes no more, once for each reason.

    Raises OSError where the folder cannot be made or written.
    """

    def __init__(self, folder: str, rotation: Rotation, on_loss: Callable[[str], None]) -> None:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "cannot be written")
        self._folder = folder
        self._rotation = rotation
        self._on_loss = on_loss
        self._files: dict[str, _File] = {}
        self._lost: dict[str, Amount] = {}
        self._said: set[int | None] = set()

    def add(self, name: str, lines: bytes, at: float, stream: str = "output", gap: Amount = _NOTHING) -> None:
        """Write whole lines of the instance `name`, which came at the Unix time `at`; never raises.

        `gap` is missing before them.
        """
        type_ = name.rpartition(".")[0] or name
        path = os.path.join(self._folder, f"{type_}.log")
        text = put(before(name, at), lines)
        lost = self._lost.pop(path, _NOTHING).plus(gap)
        told = put(before(name, at), f"{lost} could not be written here\n".encode()) if lost.size else b""
        sent = 0
        try:
            if path not in self._files:
                self._files[path] = _File(path, self._rotation)
            for size in self._files[path].write(told + text):
                sent = size
        except OSError as error:
            self._say(path, error)
            missing = lines.split(b"\n", (told + text)[:sent].count(b"\n") - (sent >= len(told) > 0))[-1]
            self._lost[path] = measure(missing) if sent >= len(told) else lost.plus(measure(lines))

    def close(self) -> None:
        """Nothing more will come."""
        for file in self._files.values():
            file.close()

    def _say(self, path: str, error: OSError) -> None:
        if error.errno not in self._said:
            self._said.add(error.errno)
            self._on_loss(f"{path} takes nothing more ({error.strerror}): lines are missing there, the run goes on")


def before(name: str, at: float) -> bytes:
    """What stands before a line in a file: ISO 8601 with microseconds and offset, and the instance."""
    moment = datetime.fromtimestamp(at).astimezone().isoformat(timespec="microseconds")
    return f"{moment} {name} | ".encode(errors="surrogateescape")


class _File:
    """web.log, which becomes web.log.1 and that web.log.2, …; written without a buffer. Raises OSError."""

    def __init__(self, path: str, rotation: Rotation) -> None:
        self._path = path
        self._rotation = rotation
        self._torn = False
        self._fd = _begin(path)

    def write(self, data: bytes) -> Iterator[int]:
        """Append whole lines, and tell how many bytes of them are out; what was torn by a full disk is ended first."""
        if self._moved():
            self._begin_anew()
        elif self._due(len(data)):
            self._rotate()
            self._begin_anew()
        if self._torn:
            os.write(self._fd, b"\n")
            self._torn = False
        sent = 0
        while sent < len(data):
            sent += os.write(self._fd, memoryview(data)[sent:])
            self._torn = data[sent - 1] != 0x0A
            yield sent

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _begin_anew(self) -> None:
        before, self._fd = self._fd, _begin(self._path)
        os.close(before)
        self._torn = False

    def _rotate(self) -> None:
        """Each takes the name of the one before; the oldest is lost by that when there are enough."""
        for number in range(self._rotation.keep, 0, -1):
            try:
                os.replace(f"{self._path}.{number - 1}" if number > 1 else self._path, f"{self._path}.{number}")
            except FileNotFoundError:
                pass

    def _moved(self) -> bool:
        """Whether somebody else (logrotate, another run) has moved it away."""
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return True

    def _due(self, more: int) -> bool:
        found = os.fstat(self._fd)
        if not found.st_size:
            return False
        then, now = (_part(self._rotation.period, at) for at in (found.st_mtime, time()))
        return found.st_size + more > self._rotation.size or then != now


def _begin(path: str) -> int:
    """Open it to append. A pipe or a device of that name could block."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is no plain file")
    return fd


def _part(period: str, at: float) -> str:
    return strftime(PERIODS[period], localtime(at))
