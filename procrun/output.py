"""The one stream: chunks of whole lines in, prefixed chunks out, one write for each chunk read."""

import os
import time
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from procrun.lines import Amount
from procrun.sink import Sink

OURS = "procrun"
"""The name under which procrun itself speaks in the stream."""

UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not tell, or is gone."""

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
        self._losses = 0

    @property
    def full(self) -> bool:
        """Whether processes should be held back for a while."""
        return self._sink.full

    def emit(self, name: str, lines: bytes) -> None:
        """Write whole lines of `name`."""
        self._look_for_losses()
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
        self._sink.write(start + body + redraw, ours=name == OURS)

    def preview(self, name: str, partial: bytes) -> None:
        """Show an unfinished line as it stands; on a terminal no more than one row of it, since that can be erased."""
        self._look_for_losses()
        shown = partial
        if self._terminal:
            room = max(8, _columns() - len(self._prefix(name)) - 1)
            shown = partial if len(partial) <= room else partial[: room - 1] + b">"
        if self._open is not None and self._open[0] == name and shown.startswith(self._open[1]):
            self._sink.write(shown[len(self._open[1]) :])
        else:
            start, _ = self._set_aside(name)
            self._sink.write(start + self._prefix(name) + shown)
        self._open = (name, shown)

    def say(self, text: str) -> None:
        """A line of procrun's own."""
        self.emit(OURS, self._ours(text))

    def mark(self, lost: Amount) -> bytes:
        """The line that stands where some output is missing."""
        return self._prefix(OURS) + self._ours(f"{lost} of output could not be shown here")

    def _ours(self, text: str) -> bytes:
        line = text.encode(errors="surrogateescape") + b"\n"
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


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns or UNKNOWN_WIDTH
    except OSError:  # it was closed
        return UNKNOWN_WIDTH


def _colour(name: str) -> bytes:
    """The same name has the same colour in every run; procrun itself is white."""
    return b"1" if name == OURS else _PALETTE[crc32(name.encode()) % len(_PALETTE)]
