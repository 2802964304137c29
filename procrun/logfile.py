"""One file for each process type in a folder: every line with its time and instance, rotated by size and by time."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from logging.handlers import RotatingFileHandler
from time import localtime, strftime, time
from typing import BinaryIO, NamedTuple

from procrun.lines import Amount, measure
from procrun.model import PERIODS
from procrun.prefix import put


class Rotation(NamedTuple):
    """When a file is begun anew: at so many bytes, and as often as PERIODS says; `keep` old ones stay."""

    size: int
    keep: int
    period: str


class LogFiles:
    """Writes lines into `folder`; `on_loss` hears, once for each time, that a file takes no more.

    Raises OSError where the folder cannot be made.
    """

    def __init__(self, folder: str, rotation: Rotation, on_loss: Callable[[str], None]) -> None:
        os.makedirs(folder, exist_ok=True)
        self._folder = folder
        self._rotation = rotation
        self._on_loss = on_loss
        self._files: dict[str, _File] = {}
        self._lost: dict[str, Amount] = {}

    def add(self, name: str, lines: bytes, at: float) -> None:
        """Write whole lines of the instance `name`, which came at the Unix time `at`; never raises."""
        type_ = name.rpartition(".")[0] or name
        path = os.path.join(self._folder, f"{type_}.log")
        text = put(before(name, at), lines)
        lost = self._lost.get(path, Amount())
        if lost.size:
            text = put(before(name, at), f"{lost} could not be written here\n".encode()) + text
        try:
            if path not in self._files:
                self._files[path] = _File(path, self._rotation)
            self._files[path].write(text)
            self._lost.pop(path, None)
        except OSError as error:
            if not lost.size:
                self._on_loss(f"{path} takes nothing more ({error.strerror}); the run goes on")
            self._lost[path] = lost.plus(measure(lines))

    def close(self) -> None:
        """Nothing more will come."""
        for file in self._files.values():
            file.close()


def before(name: str, at: float) -> bytes:
    """What stands before a line in a file: ISO 8601 with microseconds and offset, and the instance."""
    moment = datetime.fromtimestamp(at).astimezone().isoformat(timespec="microseconds")
    return f"{moment} {name} | ".encode(errors="surrogateescape")


def read(folder: str, type_: str) -> Iterator[tuple[float, str, bytes]]:
    """The lines of a process type in its files, oldest first: the Unix time, the instance, the line and its newline.

    A line that is none of ours is left out; a file that is begun anew meanwhile is read to its end.
    """
    for file in _oldest_first(os.path.join(folder, f"{type_}.log")):
        with file:
            for line in file:
                head, bar, text = line.partition(b" | ")
                moment, _, name = head.decode(errors="surrogateescape").partition(" ")
                try:
                    at = datetime.fromisoformat(moment).timestamp()
                except ValueError:
                    continue
                if bar and name:
                    yield at, name, text


def _oldest_first(path: str) -> list[BinaryIO]:
    """All of them opened at once, so that a rotation meanwhile takes none away."""
    opened: list[BinaryIO] = []
    number = 0
    while True:
        try:
            opened.append(open(f"{path}.{number}" if number else path, "rb"))  # noqa: SIM115  its reader closes it
        except FileNotFoundError:
            if number:
                return opened[::-1]
        number += 1


class _File(RotatingFileHandler):
    """The standard library's rotation (web.log, web.log.1, …) around a file that is written without a buffer."""

    def __init__(self, path: str, rotation: Rotation) -> None:
        super().__init__(path, mode="ab", maxBytes=rotation.size, backupCount=rotation.keep, delay=True)
        self._period = rotation.period
        self._torn = False
        self._out = self._begin()

    def write(self, data: bytes) -> None:
        """Append whole lines; what was torn by a full disk is ended first. Raises OSError."""
        if self._moved():
            self._begin_anew()
        elif self._due(len(data)):
            self.doRollover()
            self._begin_anew()
        rest = memoryview(b"\n" + data if self._torn else data)
        while rest:
            sent = os.write(self._out.fileno(), rest)
            self._torn = rest[sent - 1] != 0x0A
            rest = rest[sent:]

    def close(self) -> None:
        """Give the descriptor back."""
        self._out.close()
        super().close()

    def _begin(self) -> BinaryIO:
        return open(self.baseFilename, "ab", buffering=0)

    def _begin_anew(self) -> None:
        before, self._out = self._out, self._begin()
        before.close()
        self._torn = False

    def _moved(self) -> bool:
        """Whether somebody else (logrotate, another run) has moved it away."""
        try:
            return not os.path.samestat(os.stat(self.baseFilename), os.fstat(self._out.fileno()))
        except FileNotFoundError:
            return True

    def _due(self, more: int) -> bool:
        found = os.fstat(self._out.fileno())
        if not found.st_size:
            return False
        then, now = (_part(self._period, at) for at in (found.st_mtime, time()))
        return found.st_size + more > self.maxBytes or then != now


def _part(period: str, at: float) -> str:
    return strftime(PERIODS[period], localtime(at))
