"""Reads what a dyno writes: whole lines as they come, a prompt after a while, everything when it ends."""

import os
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from procrun.lines import LineBuffer
from procrun.loop import Loop, Timer
from procrun.model import Spec

LARGEST_PIPE = 2 * 1024 * 1024
"""Bytes that a pipe may hold, and more: 1 MiB is what a user may ask for (pipe(7), F_SETPIPE_SZ)."""

CHUNK = 64 * 1024
"""Bytes read at once: what a pipe holds. Larger blocks leave holes where much waits (96 MB for 64, measured)."""

PROMPT_AFTER = 0.2
"""Seconds after which an unfinished line is shown as it stands, when nobody of the process is running: it waits."""

BUSY_PROMPT_AFTER = 1.0
"""The same where somebody is running: on a busy machine a writer may be kept from finishing its line for a while."""


class Output(Protocol):
    """Where lines go. While it is `full`, no more should come."""

    @property
    def full(self) -> bool: ...

    def emit(self, name: str, lines: bytes) -> None: ...

    def preview(self, name: str, partial: bytes) -> None: ...


class Intake:
    """A dyno's stdout and stderr: one pipe, so that their order is kept; it exists before the child."""

    def __init__(self, spec: Spec, loop: Loop, output: Output, busy: Callable[[], bool]) -> None:
        self._name = spec.name
        self._hidden = spec.quiet
        self._loop = loop
        self._output = output
        self._busy = busy
        self._fd = -1
        self._watched = False
        self._regardless = False
        self._lines = LineBuffer()
        self._since = 0.0
        self._prompt: Timer | None = None
        self.read_at = 0.0
        """When something was last read, on the monotonic clock."""

    @property
    def inode(self) -> int:
        """What tells this pipe from all others."""
        return os.fstat(self._fd).st_ino if self._fd >= 0 else 0

    def open(self) -> int:
        """The end to give to the child."""
        self._fd, writer = os.pipe()
        os.set_blocking(self._fd, False)
        self._regardless = False
        self.resume()
        return writer

    def resume(self) -> None:
        """Read on."""
        if self._fd >= 0 and not self._watched:
            self._loop.read(self._fd, self._readable)
            self._watched = True

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
        if self._output.full and not self._regardless and not self._hidden:
            self._loop.forget(self._fd)
            self._watched = False
        else:
            self._read()

    def _read(self) -> int:
        """Read one chunk and pass its whole lines on; how many bytes came."""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._hang_up()
            return 0
        whole = self._lines.feed(data)
        self._emit(whole)
        self.read_at = monotonic()
        if whole or not self._since:
            self._since = self.read_at  # of the line that is unfinished now
        if self._prompt is None and self._lines.partial():
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)
        return len(data)

    def _show_prompt(self) -> None:
        self._prompt = None
        if self._watched:
            self._read()  # what waits in the pipe may finish the line
        partial = self._lines.partial()
        if not partial or self._hidden or self._prompt is not None:
            return
        age = monotonic() - self._since
        if age >= BUSY_PROMPT_AFTER or (age >= PROMPT_AFTER and not self._busy()):
            self._output.preview(self._name, partial)
        else:
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)

    def _emit(self, lines: bytes) -> None:
        if lines and not self._hidden:
            self._output.emit(self._name, lines)

    def _hang_up(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd, self._watched = -1, False
            self._emit(self._lines.flush())
