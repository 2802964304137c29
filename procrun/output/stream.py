"""The one stream: chunks of whole lines in, prefixed chunks out, one write for each chunk read."""

import os
from collections.abc import Mapping
from time import time
from typing import NamedTuple

from procrun.output.ansi import clip, tame
from procrun.output.line_buffer import Amount
from procrun.output.prefix import OURS, Look, Prefix, put
from procrun.output.stdout_writer import Sink

UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not tell, or is gone."""


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


class Prompt(NamedTuple):
    """The unfinished line that stands on the last row: of which instance, and which of its prompts it is."""

    name: str
    number: int


class Stream:
    """Puts `12:00:01 web.1    | ` before every line, with one bulk operation for each chunk.

    An unfinished line (a prompt) is shown as it stands. On a terminal it stays the last line while others go on
    above it; elsewhere, when another line comes in between, it is shown again, whole, once it is finished.
    """

    def __init__(self, sink: Sink, look: Look, terminal: bool) -> None:
        self._sink = sink
        self._look = look
        self._terminal = terminal
        self._prefix = Prefix(look)
        self._open: tuple[str, bytes] | None = None
        self._prompts = 0
        self._losses = 0

    @property
    def waits(self) -> bool:
        """Whether something is not out yet: who writes much should be held back."""
        return self._sink.waits

    @property
    def full(self) -> bool:
        """Whether everybody should be held back for a while."""
        return self._sink.full

    @property
    def prompt(self) -> Prompt | None:
        """The unfinished line that stands on the last row, if one does."""
        return Prompt(self._open[0], self._prompts) if self._open is not None else None

    def emit(self, name: str, lines: bytes, stream: str = "output", at: float | None = None) -> None:
        """Write whole lines of `name`, which came `at` (Unix time). People see stdout and stderr alike."""
        self._look_for_losses()
        lines = tame(lines) if self._look.tame else lines
        prefix = self._before(name, at)
        if self._open is not None and self._open[0] == name and lines.startswith(self._open[1]):
            rest = lines[len(self._open[1]) :]  # the line goes on where it stands
            self._open = None
            text = put(prefix, rest)[len(prefix) :]
        else:
            start, redraw = self._set_aside(name)
            text = start + put(prefix, lines) + redraw
        self._sink.write(text, ours=name == OURS)

    def preview(self, name: str, partial: bytes) -> None:
        """Show an unfinished line as it stands; on a terminal no more than one row of it, since that can be erased."""
        self._look_for_losses()
        shown = partial = tame(partial + b"\n")[:-1] if self._look.tame else partial
        if self._terminal:
            room = max(8, _columns() - len(self._before(name)) - 1)
            shown = clip(partial, room)
        if self._open is not None and self._open[0] == name and shown.startswith(self._open[1]):
            self._sink.write(shown[len(self._open[1]) :])
        else:
            self._prompts += self._open is None or self._open[0] != name
            start = self._leave(name)
            self._sink.write(start + self._before(name) + shown)
        self._open = (name, shown)

    def withdraw(self, name: str) -> None:
        """The unfinished line of `name`, if one stands, is waited for no more: its end is not shown."""
        if self._open is not None and self._open[0] == name:
            start, _ = self._set_aside(name)
            self._sink.write(start)

    def say(self, text: str, at: float | None = None) -> None:
        """A line of procrun's own."""
        self.emit(OURS, self._ours(text), OURS, at)

    def raw(self, line: bytes) -> None:
        """A whole line for a program that reads the stream: without prefix, on a row of its own."""
        self._look_for_losses()
        start, redraw = self._set_aside(OURS)
        self._sink.write(start + line + redraw, ours=True)

    def mark(self, lost: Amount) -> bytes:
        """The line that stands where some output is missing."""
        return self._before(OURS) + self._ours(f"{lost} of output could not be shown here")

    def _ours(self, text: str) -> bytes:
        line = text.encode() + b"\n"
        return line if self._look.prefix else b"procrun: " + line

    def _look_for_losses(self) -> None:
        """Where something was lost, the unfinished line was finished with it: it will come whole."""
        if self._losses != self._sink.losses:
            self._losses, self._open = self._sink.losses, None

    def _set_aside(self, name: str) -> tuple[bytes, bytes]:
        """What to write before and after lines of `name` while an unfinished line stands on the last row."""
        if self._open is None:
            return b"", b""
        whose, shown = self._open
        if self._terminal and whose != name:
            return b"\r\x1b[K", self._before(whose) + shown
        self._open = None
        return (b"\r\x1b[K" if self._terminal else b"\n"), b""

    def _leave(self, name: str) -> bytes:
        """What to write before an unfinished line of `name`: another's stays where it is, since both are waited for."""
        if self._open is not None and self._open[0] != name:
            return b"\n"
        return self._set_aside(name)[0]

    def _before(self, name: str, at: float | None = None) -> bytes:
        return self._prefix.before(name, time() if at is None else at)


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns or UNKNOWN_WIDTH
    except OSError:  # it was closed
        return UNKNOWN_WIDTH
