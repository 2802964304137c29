"""The one stream: chunks of whole lines in, prefixed chunks out, one write for each chunk read."""

import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple
from zlib import crc32

from procrun.loop import Loop

FULL = 1024 * 1024
"""Bytes waiting for the terminal or pipe at which processes are held back."""

OVERFLOW = 64 * FULL
"""Bytes waiting at which what more comes is counted and dropped: a process being stopped is read regardless."""

OURS = "procrun"
"""The name under which procrun itself speaks in the stream."""

_PALETTE = (
    *(b"36", b"33", b"32", b"35", b"34", b"96", b"93", b"92", b"95", b"94"),
    *(b"38;5;208", b"38;5;141", b"38;5;117", b"38;5;180", b"38;5;43", b"38;5;205"),
)


class Look(NamedTuple):
    """How the stream is to look: `width` is that of the longest name."""

    width: int = len(OURS)
    colour: bool = False
    timestamp: bool = True
    prefix: bool = True


def wants_colour(env: Mapping[str, str], fd: int) -> bool:
    """Whether output to `fd` may be coloured: NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then the terminal.

    https://no-color.org (an empty value says nothing), https://bixense.com/clicolors; FORCE_COLOR=0 is off.
    """
    if env.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if env.get(name):
            return env[name] != "0"
    return env.get("TERM") != "dumb" and os.isatty(fd)


class Sink:
    """Writes to a descriptor without ever blocking the loop; what does not fit waits in bounded memory."""

    def __init__(self, loop: Loop, fd: int, on_drain: Callable[[], None], on_loss: Callable[[str], None]) -> None:
        self._loop = loop
        self._on_drain = on_drain
        self._on_loss = on_loss
        self._lost = False
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._watched = False
        self._thread: threading.Thread | None = None
        self._fd = self._own(fd)
        self.dropped = 0
        """Bytes that could not be shown."""

    @property
    def full(self) -> bool:
        """Whether processes should be held back until `on_drain`."""
        return self._size > FULL

    def write(self, data: bytes) -> None:
        """Write now what fits, keep the rest; never raises, never blocks."""
        if self._size + len(data) > OVERFLOW:
            self.dropped += len(data)
            return
        self._waiting.append(data)
        self._size += len(data)
        if not self._watched:
            self._flush()

    def close(self, patience: float) -> None:
        """Write what still waits; gives up after `patience` seconds without progress, and twice that in all."""
        poller = select.poll()
        end = time.monotonic() + 2 * patience
        while self._size:
            if self._watched:
                poller.register(self._fd, select.POLLOUT)
                wait = min(patience, end - time.monotonic())
                if wait <= 0 or not poller.poll(wait * 1000):
                    self.dropped += self._size
                    break
            self._flush()
        if self._thread is not None:
            os.close(self._fd)
            self._thread.join(patience)

    def _own(self, fd: int) -> int:
        """A non-blocking description of our own: O_NONBLOCK on the shared one would change the parent shell's."""
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd  # never blocks, and a second description would have an offset of its own
        try:
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:  # a socket, or another user's pipe
            return self._through_thread(fd)

    def _through_thread(self, fd: int) -> int:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self._thread = threading.Thread(target=_copy, args=(reader, fd), daemon=True)
        self._thread.start()
        return writer

    def _flush(self) -> None:
        was_full = self.full
        try:
            while self._waiting:
                data = self._waiting[0]
                sent = os.write(self._fd, data)
                self._size -= sent
                if sent < len(data):
                    self._waiting[0] = data[sent:]
                else:
                    self._waiting.popleft()
            self._watch(False)
        except BlockingIOError:
            self._watch(True)
        except OSError as error:  # the reader has gone, the terminal was closed, the disk is full
            self._lose(error)
        if was_full and not self.full:
            self._on_drain()

    def _lose(self, error: OSError) -> None:
        """Say it once, and go on: a run does not depend on who looks at it."""
        if not self._lost:
            self._on_loss(f"standard output takes nothing more ({error.strerror}): lines are dropped, the run goes on")
        self._lost = True
        self.dropped += self._size
        self._waiting.clear()
        self._size = 0
        self._watch(False)

    def _watch(self, wanted: bool) -> None:
        if wanted and not self._watched:
            self._loop.write(self._fd, self._flush)
        elif self._watched and not wanted:
            self._loop.forget(self._fd)
        self._watched = wanted


class Stream:
    """Puts `12:00:01 web.1    | ` before every line, with one bulk operation for each chunk.

    An unfinished line (a prompt) is shown as it stands. On a terminal it stays the last line while others go on
    above it; elsewhere, when another line comes in between, it is shown again, whole, once it is finished.
    """

    def __init__(self, sink: Sink, look: Look, terminal: bool) -> None:
        self._sink = sink
        self._look = look
        self._terminal = terminal
        self._second = 0
        self._clock = b""
        self._open: tuple[str, bytes] | None = None

    def emit(self, name: str, lines: bytes) -> bool:
        """Write whole lines of `name`; False when processes should be held back for a while."""
        prefix = self._prefix(name)
        data = lines
        if self._open is not None and self._open[0] == name and lines.startswith(self._open[1]):
            data = lines[len(self._open[1]) :]  # the line goes on where it stands
            self._open = None
            start, redraw = b"", b""
        else:
            start, redraw = self._set_aside(name)
            start += prefix
        body = data if not prefix else data[:-1].replace(b"\n", b"\n" + prefix) + data[-1:]
        self._sink.write(start + body + redraw)
        return not self._sink.full

    def preview(self, name: str, partial: bytes) -> None:
        """Show an unfinished line as it stands; on a terminal no more than one row of it, since that can be erased."""
        shown = partial
        if self._terminal:
            room = max(8, os.get_terminal_size(1).columns - len(self._prefix(name)) - 1)
            shown = partial if len(partial) <= room else partial[: room - 1] + b">"
        if self._open is not None and self._open[0] == name and shown.startswith(self._open[1]):
            self._sink.write(shown[len(self._open[1]) :])
        else:
            start, _ = self._set_aside(name)
            self._sink.write(start + self._prefix(name) + shown)
        self._open = (name, shown)

    def say(self, text: str) -> None:
        """A line of procrun's own."""
        line = text.encode(errors="surrogateescape") + b"\n"
        self.emit(OURS, line if self._look.prefix else b"procrun: " + line)

    def _set_aside(self, name: str) -> tuple[bytes, bytes]:
        """What to write before and after lines of `name` while an unfinished line stands on the last row."""
        if self._open is None:
            return b"", b""
        whose, shown = self._open
        if self._terminal and whose != name:
            return b"\r\x1b[K", self._prefix(whose) + shown
        self._open = None
        return (b"\r\x1b[K" if self._terminal else b"\n"), b""

    def _prefix(self, name: str) -> bytes:
        look = self._look
        if not look.prefix:
            return b""
        text = name.encode(errors="surrogateescape").ljust(look.width) + b" | "
        if look.timestamp:
            now = int(time.time())
            if now != self._second:
                self._second, self._clock = now, time.strftime("%H:%M:%S ", time.localtime(now)).encode()
            text = self._clock + text
        return b"\x1b[%bm%b\x1b[0m" % (_colour(name), text) if look.colour else text


def _colour(name: str) -> bytes:
    """The same name has the same colour in every run; procrun itself is white."""
    return b"1" if name == OURS else _PALETTE[crc32(name.encode()) % len(_PALETTE)]


def _copy(reader: int, fd: int) -> None:
    """The writer thread, for what cannot be opened again: it may block, the loop may not."""
    try:
        while data := os.read(reader, 65536):
            while data:
                data = data[os.write(fd, data) :]
    except OSError:
        pass
    os.close(reader)
