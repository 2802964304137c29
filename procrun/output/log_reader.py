"""Reads log files: all their lines from some moment on, or the last ones first; never a whole file at once."""

import os
import stat
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import BinaryIO, NamedTuple

BLOCK = 256 * 1024
"""Bytes read at once from the end of a file."""


class Logged(NamedTuple):
    """A line of a log file, with its newline: when it came (Unix time), and whose it is."""

    at: float
    name: str
    line: bytes


def types(folder: str) -> list[str]:
    """The process types that have log files in `folder`; none where there is no such folder."""
    try:
        return sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".log"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read(folder: str, type_: str, since: float = 0.0) -> Iterator[Logged]:
    """The lines of a process type in its files, oldest first, from the Unix time `since` on.

    A line that is none of ours, or has no end yet, is left out; a file that is begun anew meanwhile is read to its
    end. Raises OSError for what cannot be read.
    """
    with ExitStack() as stack:
        for file in reversed(_newest_first(folder, type_, stack)):
            _seek_line(file, bisect_left(_Moments(file), since) if since else 0)
            yield from filter(None, map(_parsed, file))


def read_back(folder: str, type_: str) -> Iterator[Logged]:
    """The same lines, the last one first."""
    with ExitStack() as stack:
        for file in _newest_first(folder, type_, stack):
            yield from filter(None, map(_parsed, _lines_back(file)))


def _newest_first(folder: str, type_: str, stack: ExitStack) -> list[BinaryIO]:
    """All of them opened at once, so that a rotation meanwhile takes none away."""
    path, number = os.path.join(folder, f"{type_}.log"), 0
    opened: list[BinaryIO] = []
    while True:
        try:
            handle = os.open(f"{path}.{number}" if number else path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            file = stack.enter_context(os.fdopen(handle, "rb"))
            if stat.S_ISREG(os.fstat(handle).st_mode):  # a pipe of that name would never end
                opened.append(file)
        except FileNotFoundError:
            if number:
                return opened
        number += 1


def _parsed(line: bytes) -> Logged | None:
    head, bar, text = line.partition(b" | ")
    moment, _, name = head.decode(errors="surrogateescape").partition(" ")
    if not bar or not name or not line.endswith(b"\n"):
        return None
    try:
        return Logged(datetime.fromisoformat(moment).timestamp(), name, text)
    except ValueError:
        return None


def _lines_back(file: BinaryIO) -> Iterator[bytes]:
    position = file.seek(0, os.SEEK_END)
    begun: list[bytes] = []  # the line whose beginning is not found yet, its last bytes first
    while position:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        head, newline, rest = file.read(size).partition(b"\n")
        if newline:
            *whole, last = rest.split(b"\n")
            yield from _joined(last, begun)
            yield from (line + b"\n" for line in reversed(whole))
            begun = [b"\n"]
        begun.append(head)
    yield from _joined(b"", begun)


def _joined(first: bytes, begun: list[bytes]) -> Iterator[bytes]:
    line = first + b"".join(reversed(begun))
    if line:
        yield line


class _Moments:
    """A file as the sequence of the moments of its lines, by their offset, so that it can be bisected."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, offset: int) -> float:
        """When the first line behind `offset` came; behind the last one nothing came too early."""
        _seek_line(self._file, offset)
        for line in self._file:
            parsed = _parsed(line)
            if parsed is not None:
                return parsed.at
        return float("inf")


def _seek_line(file: BinaryIO, offset: int) -> None:
    """Go to the first line that begins at `offset` or behind it."""
    file.seek(max(0, offset - 1))
    if offset:
        file.readline()
