"""What an instance reads from and writes to: pipes, or a pseudo-terminal; they exist before the child."""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from procrun.core.spec import APART, PTY
from procrun.eventloop.loop import Loop
from procrun.output.reader import Hearer, Intake, Output
from procrun.system.terminal import TAKE_TERMINAL

TERM = "xterm-256color"
"""The kind of a pseudo-terminal where the environment names none, as in a container or under systemd: every terminal
that may attach to it understands that, and terminfo has it in the smallest installations (Debian: ncurses-base).
"""

UNREAD_INPUT = 256 * 1024
"""Bytes that may wait for an instance which does not read its stdin."""


class Window(NamedTuple):
    """The size of a terminal."""

    rows: int = 24
    columns: int = 80


class Ends(NamedTuple):
    """The child's descriptors; `before` goes before the shell line that it runs."""

    stdin: int
    stdout: int
    stderr: int
    before: str = ""

    def close(self) -> None:
        """The child has them."""
        for fd in set(self[:3]):
            os.close(fd)


class Console:
    """Our ends of what one instance reads and writes, anew at each start.

    `hearers` are given each chunk as it is read, before it is made into lines, `readers` the whole lines. `window` is
    the room that its lines have on our own terminal; None where we have none.
    """

    def __init__(
        self, name: str, loop: Loop, output: Output, busy: Callable[[], bool], window: Callable[[], Window | None]
    ) -> None:
        self.hearers: list[Hearer] = []
        self.readers: list[Hearer] = []
        self.terminal = False
        self._name = name
        self._loop = loop
        self._output = output
        self._busy = busy
        self._window = window
        self._own_window: Window | None = None
        self._intakes: list[Intake] = []
        self._stdin = -1
        self._typed = bytearray()
        self._taken: list[Callable[[], None]] = []

    def open(self, kind: str) -> Ends:
        """Make both ends, those for the child to be closed once it has them. Raises OSError where there can be none.

        `kind` is one of model.CONSOLES.
        """
        self.terminal = kind == PTY
        made: list[int] = []
        try:
            return self._open_terminal(made) if self.terminal else self._open_pipes(made, kind == APART)
        except OSError:
            for fd in made:
                self._loop.forget(fd)
                os.close(fd)
            self._stdin, self._intakes = -1, []
            raise

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """What a child with the environment `given` is told of what it writes to, once that is open.

        TERM where it has a terminal and nobody says of which kind. Where it is made to colour its lines, COLUMNS: Rich,
        for one, then draws as on a terminal, and would take 80 for granted. Nothing else: a variable that changes
        what a program writes changes the result of every `$(…)` in it, too.
        """
        if self.terminal:
            return {} if given.get("TERM") else {"TERM": TERM}
        window = self._window()
        if window is None or "COLUMNS" in given or not _is_made_to_colour(given):
            return {}
        return {"COLUMNS": str(window.columns)}

    def type(self, data: bytes, taken: Callable[[], None]) -> bool:
        """Write to its stdin, now or as it reads, and call `taken` then, or once it has none any more.

        False, and nothing is done, where it has none now, or reads so little that too much waits already.
        """
        if self._stdin < 0 or len(self._typed) >= UNREAD_INPUT:
            return False
        waits = bool(self._typed)
        self._typed += data
        self._taken.append(taken)
        if not waits:
            self._write()
        return True

    def fit(self, window: Window | None) -> None:
        """Its terminal has this size from now on; as that of all others, where it is None."""
        self._own_window = window
        self.resize()

    def resize(self) -> None:
        """The size of terminals may have changed: whoever is in its foreground hears WINCH then."""
        if self.terminal and self._stdin >= 0:
            _set_size(self._stdin, self._size())

    def unfinished(self) -> bytes:
        """The line that has no end yet: a prompt, maybe."""
        return b"".join(intake.unfinished() for intake in self._intakes)

    @property
    def inodes(self) -> tuple[int, ...]:
        """What tells the pipes it writes into from all others."""
        return () if self.terminal else tuple(intake.inode for intake in self._intakes)

    def read_regardless(self) -> None:
        """Never hold it back again: a worker that cannot write hangs before it saves its jobs (Sidekiq, measured)."""
        for intake in self._intakes:
            intake.read_regardless()

    def drain(self) -> None:
        """Everything that was written so far goes out, an unfinished line too."""
        for intake in self._intakes:
            intake.drain()

    def close(self) -> None:
        """Nobody of it is left."""
        for intake in self._intakes:
            intake.close()
        if self._stdin >= 0:
            self._loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
        self._typed.clear()
        self._tell_taken()

    def _open_pipes(self, made: list[int], apart: bool) -> Ends:
        """Its stdin stays open and silent, until somebody types: watchers quit at end of file."""
        stdin, typing = _kept(made, os.pipe())
        reader, writer = _kept(made, os.pipe())
        if apart:
            errors, error_writer = _kept(made, os.pipe())
            readers, ends = {reader: "stdout", errors: "stderr"}, Ends(stdin, writer, error_writer)
        else:
            readers, ends = {reader: "output"}, Ends(stdin, writer, writer)
        self._have(typing, readers)
        return ends

    def _open_terminal(self, made: list[int]) -> Ends:
        """Two descriptors of our end, since the loop watches each for one thing."""
        master, slave = _kept(made, os.openpty())
        typing = os.dup(master)
        made.append(typing)
        _set_size(master, self._size())
        self._have(typing, {master: "output"})
        return Ends(slave, slave, slave, TAKE_TERMINAL)

    def _have(self, typing: int, readers: dict[int, str]) -> None:
        os.set_blocking(typing, False)
        self._stdin = typing
        self._intakes = []
        for fd, stream in readers.items():
            hearers = (self.hearers, self.readers)
            intake = Intake(self._name, self._loop, self._output, self._busy, stream, self.terminal, *hearers)
            intake.open(fd)
            self._intakes.append(intake)

    def _write(self) -> None:
        """What is taken now; the loop brings us back for the rest."""
        try:
            sent = os.write(self._stdin, self._typed)
        except BlockingIOError:
            sent = 0
        except OSError:  # it has closed its stdin, or is gone
            sent = len(self._typed)
        del self._typed[:sent]
        self._loop.forget(self._stdin)
        if self._typed:
            self._loop.write(self._stdin, self._write)
        else:
            self._tell_taken()

    def _tell_taken(self) -> None:
        told, self._taken = self._taken, []
        for taken in told:
            taken()

    def _size(self) -> Window:
        return self._own_window or self._window() or Window()


def _is_made_to_colour(given: Mapping[str, str]) -> bool:
    """https://force-color.org, https://bixense.com/clicolors; node takes NO_COLOR and NODE_DISABLE_COLORS for no."""
    if given.get("NO_COLOR") or given.get("NODE_DISABLE_COLORS"):
        return False
    return any(given.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))


def _kept(made: list[int], pair: tuple[int, int]) -> tuple[int, int]:
    made.extend(pair)
    return pair


def _set_size(terminal: int, window: Window) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *window, 0, 0))
