"""One file for each process type in a folder: every line with its time and instance, rotated by size and by time.

Several runs may write to one file, as several programs may to syslog's. Each appends whole lines by itself
(O_APPEND), and only a rotation needs them to agree: it is done by the run that holds the lock of the file which has
the name at that moment. A run that does not get the lock goes on writing; it finds the new file before its next line.
multilog and svlogd lock their folder for life instead, which would refuse `procrun start web.2` beside `web.1`.
"""

import errno
import fcntl
import os
import resource
import select
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from time import localtime, monotonic, strftime, time
from typing import NamedTuple

from procrun.core.spec import PERIODS
from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Aside
from procrun.output.line_buffer import Amount, measure
from procrun.output.prefix import put
from procrun.output.stdout_writer import FULL, OVERFLOW

COST = 512
"""Bytes that lines take while they wait, besides themselves."""

PATIENCE = 10.0
"""Seconds for which a rotation is put off while another holds the lock; it takes a few milliseconds."""

_NOTHING = Amount()


class Rotation(NamedTuple):
    """When a file is begun anew: at so many bytes, and as often as PERIODS says; `keep` old ones stay."""

    size: int
    keep: int
    period: str


class PlantedError(OSError):
    """A file is there that another user may have put there to have our lines, or to have them somewhere else."""


class LogFiles:
    """Writes lines into `folder`; `on_loss` hears that a file takes no more, once for each reason.

    Raises OSError where the folder cannot be made or written, PlantedError where somebody else may have put the file
    of one of these `types` there.
    """

    def __init__(
        self, folder: str, rotation: Rotation, on_loss: Callable[[str], None], types: Iterable[str] = ()
    ) -> None:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, "cannot be written", folder)
        for type_ in types:
            _look(folder, f"{type_}.log")
        self._folder = folder
        self._rotation = rotation._replace(size=_possible_size(rotation.size))
        self._on_loss = on_loss
        self._files: dict[str, _File] = {}
        self._lost: dict[str, Amount] = {}
        self._said: set[int | None] = set()
        self.dropped = Amount()
        """Everything that could not be written, whether its file says so by now or not."""

    def add(self, name: str, lines: bytes, at: float, stream: str = "output", gap: Amount = _NOTHING) -> None:
        """Write whole lines of the instance `name`, which came at the Unix time `at`; never raises.

        `gap` is missing before them.
        """
        file = f"{name.rpartition('.')[0] or name}.log"
        text = put(before(name, at), lines)
        lost = self._lost.pop(file, _NOTHING).plus(gap)
        self.dropped = self.dropped.plus(gap)
        told = put(before(name, at), f"{lost} could not be written here\n".encode()) if lost.size else b""
        sent = 0
        try:
            if file not in self._files:
                self._files[file] = _File(self._folder, file, self._rotation)
            for size in self._files[file].write(told + text):
                sent = size
        except OSError as error:
            self._say(file, error)
            missing = measure(lines.split(b"\n", (told + text)[:sent].count(b"\n") - (sent >= len(told) > 0))[-1])
            self._lost[file] = missing if sent >= len(told) else lost.plus(missing)
            self.dropped = self.dropped.plus(missing)

    def close(self) -> None:
        """Nothing more will come."""
        for file in self._files.values():
            file.close()

    def _say(self, file: str, error: OSError) -> None:
        if error.errno not in self._said:
            self._said.add(error.errno)
            path = os.path.join(self._folder, file)
            self._on_loss(f"{path} takes nothing more ({error.strerror}): lines are missing there, the run goes on")


def before(name: str, at: float) -> bytes:
    """What stands before a line in a file: ISO 8601 with microseconds and offset, and the instance."""
    moment = datetime.fromtimestamp(at).astimezone().isoformat(timespec="microseconds")
    return f"{moment} {name} | ".encode(errors="surrogateescape")


class _File:
    """web.log, which becomes web.log.1 and that web.log.2, …; written without a buffer. Raises OSError."""

    def __init__(self, folder: str, name: str, rotation: Rotation) -> None:
        self._folder = folder
        self._name = name
        self._path = os.path.join(folder, name)
        self._rotation = rotation
        self._torn = False
        self._denied = 0.0  # since when its lock is held by somebody else
        self._fd = _begin(folder, name)
        self._is_counted = os.fstat(self._fd).st_nlink > 0  # a file system may count no names, and always say 0

    def write(self, data: bytes) -> Iterator[int]:
        """Append whole lines, and tell how many bytes of them are out.

        They are written again where the file has lost its last name meanwhile: another run has rotated it away, or
        somebody has removed it, just after it was looked at.
        """
        if self._moved():
            self._begin_anew()
        elif self._due(len(data)):
            self._rotate()
        yield from self._append(data)
        if self._is_counted and not os.fstat(self._fd).st_nlink:
            yield 0
            self._begin_anew()
            yield from self._append(data)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def _append(self, data: bytes) -> Iterator[int]:
        """The same without a look at the file; a line that was torn by a full disk is ended first."""
        if self._torn:
            os.write(self._fd, b"\n")
            self._torn = False
        sent = 0
        while sent < len(data):
            sent += os.write(self._fd, memoryview(data)[sent:])
            self._torn = data[sent - 1] != 0x0A
            yield sent

    def _begin_anew(self) -> None:
        before, self._fd = self._fd, _begin(self._folder, self._name)
        os.close(before)
        self._torn, self._denied = False, 0.0

    def _rotate(self) -> None:
        """Each takes the name of the one before; the oldest is lost by that when there are enough.

        Not where another run holds the lock: it is rotating just now, and this one writes on. Any user who can read
        the file can take its lock too (flock(2)), so after PATIENCE it is done without.
        """
        if not self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            self._denied = self._denied or monotonic()
            if monotonic() - self._denied < PATIENCE:
                return
        try:
            if not self._moved():
                self._shift()
            self._begin_anew()  # which closes the file, and with that gives its lock back
        except OSError:
            self._lock(fcntl.LOCK_UN)
            raise

    def _lock(self, how: int) -> bool:
        """Whether the file is ours to rotate; so it is on a file system without locks."""
        try:
            fcntl.flock(self._fd, how)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def _shift(self) -> None:
        place = _open_folder(self._folder)
        try:
            free = (number for number in range(1, self._rotation.keep) if not self._is_there(number, place))
            for number in range(next(free, self._rotation.keep), 0, -1):
                self._rename(number - 1, number, place)
        finally:
            os.close(place)

    def _is_there(self, number: int, place: int) -> bool:
        try:
            os.stat(f"{self._name}.{number}", dir_fd=place, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _rename(self, old: int, new: int, place: int) -> None:
        before = f"{self._name}.{old}" if old else self._name
        try:
            os.replace(before, f"{self._name}.{new}", src_dir_fd=place, dst_dir_fd=place)
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


def _possible_size(wanted: int) -> int:
    """No more than a file of ours may have (`ulimit -f`): beyond that a write fails (setrlimit(2), RLIMIT_FSIZE)."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return wanted if limit == resource.RLIM_INFINITY else min(wanted, limit)


def _begin(folder: str, name: str) -> int:
    """Open it to append, or make it, in the folder as it is now; one that was taken away is made again."""
    os.makedirs(folder, exist_ok=True)
    return _open(folder, name, os.O_CREAT)


def _look(folder: str, name: str) -> None:
    """Raises PlantedError, with its path, where somebody else may have put it there. Other faults keep no run back."""
    try:
        os.close(_open(folder, name, 0))
    except PlantedError as error:
        raise PlantedError(error.errno, error.strerror, os.path.join(folder, name)) from None
    except OSError:
        pass


def _open(folder: str, name: str, create: int) -> int:
    """A pipe or a device of that name could block.

    Where others can write to the folder they may have put there what leads elsewhere: a symbolic link, a second name
    of a file of ours, a file of their own.
    """
    place = _open_folder(folder)
    try:
        around = os.fstat(place)
        is_shared = bool(around.st_mode & 0o022) or around.st_uid not in (0, os.geteuid())
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | create
        fd = os.open(name, flags | (os.O_NOFOLLOW if is_shared else 0), 0o666, dir_fd=place)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PlantedError(errno.ELOOP, "is a symbolic link in a folder that others can write to") from None
        raise
    finally:
        os.close(place)
    try:
        _see_to(os.fstat(fd), around.st_uid if is_shared else None)
    except OSError:
        os.close(fd)
        raise
    return fd


def _see_to(found: os.stat_result, owner: int | None) -> None:
    """Raises OSError where it is not to be written to; `owner` is whose the folder is, if others can write to that."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no plain file")
    if owner is not None and found.st_nlink > 1:
        raise PlantedError(errno.EMLINK, "has a second name, and others can write to its folder")
    if owner is not None and found.st_uid not in (0, owner, os.geteuid()):
        raise PlantedError(errno.EPERM, "is another user's, who can write to its folder")


def _open_folder(folder: str) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _part(period: str, at: float) -> str:
    return strftime(PERIODS[period], localtime(at))


class Archive:
    """Writes lines into `folder`, as LogFiles has it; `on_drain` is called when it is `full` no more.

    `types` have files there. Raises OSError where the folder cannot be made or written, or a file is planted.
    """

    def __init__(
        self,
        loop: Loop,
        folder: str,
        rotation: Rotation,
        types: Iterable[str],
        on_loss: Callable[[str], None],
        on_drain: Callable[[], None],
    ) -> None:
        self._said: deque[str] = deque()
        self._files = LogFiles(folder, rotation, self._said.append, types)
        self._on_loss = on_loss
        self._on_drain = on_drain
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost: dict[str, Amount] = {}
        self._aside = Aside(loop)

    @property
    def full(self) -> bool:
        """Whether everybody should be held back until `on_drain`."""
        return self._size > FULL

    def add(self, name: str, lines: bytes, at: float, stream: str) -> None:
        """Write whole lines of the instance `name`, which came at the Unix time `at`, soon; count what is too much."""
        if self._size + len(lines) + COST > OVERFLOW:
            self._lost[name] = self._lost.get(name, Amount()).plus(measure(lines))
            return
        lost = self._lost.pop(name, Amount())
        self._waiting.append(lines)
        self._size += len(lines) + COST
        self._aside.do(lambda: self._files.add(name, lines, at, stream, lost), self._is_written)

    def close(self, patience: float) -> Amount:
        """Wait until all is written, `patience` seconds at most without progress; all that is missing in the files."""
        news = select.poll()
        news.register(self._aside.news, select.POLLIN)
        while self._waiting and news.poll(patience * 1000):
            self._aside.deliver()
        while self._said:
            self._on_loss(self._said.popleft())
        lost = self._files.dropped
        for amount in (*map(measure, self._waiting), *self._lost.values()):
            lost = lost.plus(amount)
        return lost

    def _is_written(self, _: None) -> None:
        was_full = self.full
        self._size -= len(self._waiting.popleft()) + COST
        while self._said:
            self._on_loss(self._said.popleft())
        if was_full and not self.full:
            self._on_drain()
