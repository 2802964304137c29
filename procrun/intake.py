"""Reads what a dyno writes: whole lines as they come, a prompt after a while, everything when it ends."""

import os
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from procrun.lines import LineBuffer
from procrun.loop import Loop, Timer
from procrun.model import Spec

CHUNK = 256 * 1024
"""Bytes read at once."""

PROMPT_AFTER = 0.2
"""Seconds after which an unfinished line is shown as it stands, when nobody of the process is running: it waits."""

BUSY_PROMPT_AFTER = 1.0
"""The same where somebody is running: on a busy machine a writer may be kept from finishing its line for a while."""


class Output(Protocol):
    """Where lines go: `emit` answers False when no more should come for a while."""

    def emit(self, name: str, lines: bytes) -> bool: ...

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
        self._touched = 0.0
        self._prompt: Timer | None = None

    def open(self) -> int:
        """The end to give to the child."""
        self._fd, writer = os.pipe()
        os.set_blocking(self._fd, False)
        self._regardless = False
        self.resume()
        return writer

    def resume(self) -> None:
        if self._fd >= 0 and not self._watched:
            self._loop.read(self._fd, self._readable)
            self._watched = True

    def read_regardless(self) -> None:
        """Never hold it back again: a worker that cannot write hangs before it saves its jobs (Sidekiq, measured)."""
        self._regardless = True
        self.resume()

    def drain(self) -> None:
        """Everything that was written so far goes out, an unfinished line too: one read empties a pipe."""
        if self._fd >= 0:
            self._read()
        self._emit(self._lines.flush())

    def close(self) -> None:
        self.drain()
        self._hang_up()

    def _readable(self) -> None:
        if not self._read() and self._watched and not self._regardless:
            self._loop.forget(self._fd)
            self._watched = False

    def _read(self) -> bool:
        """Read one chunk and pass its whole lines on; False when the output wants no more for a while."""
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return True
        if not data:
            self._hang_up()
            return True
        flowing = self._emit(self._lines.feed(data))
        self._touched = monotonic()
        if self._prompt is None and self._lines.partial():
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)
        return flowing

    def _show_prompt(self) -> None:
        self._prompt = None
        if self._watched:
            self._read()  # what waits in the pipe may finish the line
        partial = self._lines.partial()
        if not partial or self._hidden or self._prompt is not None:
            return
        idle = monotonic() - self._touched
        if idle >= BUSY_PROMPT_AFTER or (idle >= PROMPT_AFTER and not self._busy()):
            self._output.preview(self._name, partial)
        else:
            self._prompt = self._loop.after(PROMPT_AFTER, self._show_prompt)

    def _emit(self, lines: bytes) -> bool:
        return not lines or self._hidden or self._output.emit(self._name, lines)

    def _hang_up(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd, self._watched = -1, False
            self._emit(self._lines.flush())
