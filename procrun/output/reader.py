"""Reads what a dyno writes: whole lines as they come, a prompt after a while, everything when it ends."""

import errno
import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from procrun.eventloop.loop import Loop, Timer
from procrun.output.ansi import tame
from procrun.output.line_buffer import LineBuffer
from procrun.system.host import pipes

LARGEST_PIPE = 2 * 1024 * 1024
"""Bytes that a pipe may hold, and more: 1 MiB is what a user may ask for (pipe(7))."""

CHUNK = 64 * 1024
"""Bytes read at once: what stays in the processor's cache on its way through. Larger blocks take three times as long,
and leave holes where much waits (96 MB for 64, measured).
"""

FLOOD = 16 * 1024
"""Bytes read at once of a process that writes faster than we read: from then on it is said to flood."""

FLOOD_PIPE = 1024 * 1024
"""Bytes that the pipe of one that floods gets room for: it waits less often for us."""

PROMPT_AFTER = 0.2
"""Seconds after which an unfinished line is shown as it stands, when nobody of the process is running: it waits."""

BUSY_PROMPT_AFTER = 1.0
"""The same where somebody is running: on a busy machine a writer may be kept from finishing its line for a while."""


_buffer = memoryview(bytearray(CHUNK))
"""What is read goes through it, and is kept in its own size: in a block for a whole chunk it would leave holes."""

Hearer = Callable[[bytes], None]
"""Hears of each chunk as it was read; as a reader, of whole lines."""


class Output(Protocol):
    """Where lines go; `stream` is stdout or stderr where they are told apart, and output where they are one."""

    def holds(self, name: str, floods: bool, resume: Callable[[], None]) -> bool:
        """Whether nothing more of `name` should come for a while: `resume` is called when it is over."""
        ...

    def emit(self, name: str, lines: bytes, stream: str) -> None: ...

    def preview(self, name: str, partial: bytes, stream: str) -> None: ...


class Intake:
    """What is read from one descriptor: a pipe for stdout and stderr together, so that their order is kept, or for one.

    Of a `terminal` (the master of a pty) the lines are tamed; it ends with EIO once nobody has it open.
    """

    def __init__(
        self,
        name: str,
        loop: Loop,
        output: Output,
        busy: Callable[[], bool],
        stream: str,
        terminal: bool,
        hearers: Sequence[Hearer],
        readers: Sequence[Hearer] = (),
    ) -> None:
        self._name = name
        self._stream = stream
        self._terminal = terminal
        self._hearers = hearers
        self._readers = readers
        self._loop = loop
        self._output = output
        self._busy = busy
        self._fd = -1
        self._watched = False
        self._regardless = False
        self._lines = LineBuffer()
        self._since = 0.0
        self._floods = False
        self._prompt: Timer | None = None

    @property
    def inode(self) -> int:
        """What tells this pipe from all others."""
        return os.fstat(self._fd).st_ino if self._fd >= 0 else 0

    def open(self, fd: int) -> None:
        """Read this from now on, and close it at its end."""
        self._fd = fd
        os.set_blocking(fd, False)
        self._regardless = self._floods = False
        self.resume()

    def unfinished(self) -> bytes:
        """The line that has no end yet."""
        return self._lines.partial()

    def resume(self) -> None:
        """Read on."""
        if self._fd >= 0 and not self._watched:
            self._loop.read(self._fd, self._readable, last=self._floods)
            self._watched = True
            if self._lines.size:
                self._expect_end(anew=True)

    def read_regardless(self) -> None:
        """Never hold it back again: a worker that cannot write hangs before it saves its jobs (Sidekiq, measured)."""
        self._regardless = True
        self.resume()

    def drain(self) -> None:
        """Everything that was written so far goes out, an unfinished line too; no more than a pipe can hold."""
        read = 0
        while self._fd >= 0 and read < LARGEST_PIPE and (size := self._read()):
            read += size
        self._emit(self._lines.flush())

    def close(self) -> None:
        """Nobody writes any more."""
        self.drain()
        self._hang_up()

    def _readable(self) -> None:
        """Read, or hold it back: before a read, as a thousand who may each be read once more are too many."""
        if not self._regardless and self._output.holds(self._name, self._floods, self.resume):
            self._look_away()
        else:
            self._read()

    def _look_away(self) -> None:
        self._loop.forget(self._fd)
        self._watched = False

    def _read(self) -> int:
        """Read one chunk and pass its whole lines on; how many bytes came."""
        try:
            data = _buffer[: os.readv(self._fd, [_buffer])].tobytes()
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # how the end of a terminal is told (pty(7))
        if not data:
            self._hang_up()
            return 0
        if self._hearers:
            for hear in tuple(self._hearers):
                hear(data)
        if len(data) >= FLOOD and not self._floods:
            self._flooded()
        unfinished_before = self._lines.size
        whole = self._lines.feed(data)
        if whole:
            self._emit(whole)
        if self._lines.size:
            self._expect_end(anew=bool(whole) or not unfinished_before)
        return len(data)

    def _expect_end(self, anew: bool) -> None:
        """A line is unfinished, since now if it is another one than before: it may be a prompt."""
        if anew:
            self._since = monotonic()
        if self._prompt is None:
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)

    def _flooded(self) -> None:
        """Others come before it; its pipe is enlarged, and nobody else's (pipe(7), pipe-user-pages-soft: 64 MiB)."""
        self._floods = True
        if self._watched:
            self._look_away()
            self.resume()
        try:
            pipes.resize(self._fd, FLOOD_PIPE)
        except OSError:
            pass  # no more than he has

    def _show_prompt(self) -> None:
        self._prompt = None
        if not self._watched:
            return  # held back: what waits in the pipe may finish the line
        self._read()  # the same
        partial = self._lines.partial()
        if not partial or self._prompt is not None:
            return
        age = monotonic() - self._since
        if age >= BUSY_PROMPT_AFTER or (age >= PROMPT_AFTER and not self._busy()):
            shown = tame(partial + b"\n")[:-1] if self._terminal else partial
            self._output.preview(self._name, shown, self._stream)
        else:
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)

    def _emit(self, lines: bytes) -> None:
        if self._terminal:
            lines = tame(lines.replace(b"\r\n", b"\n"))
        if lines:
            self._output.emit(self._name, lines, self._stream)
            for read in tuple(self._readers):  # behind it: what they find in a line is told after the line
                read(lines)

    def _hang_up(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd, self._watched = -1, False
            self._emit(self._lines.flush())
