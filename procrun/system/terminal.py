"""The terminal that we were started on: its modes are changed for a while, and always given back."""

import os
import signal
import termios
from collections.abc import Callable
from typing import Any

PASTED = b"\0"
"""Passed on in the place of several keys at once."""

TAKE_TERMINAL = "exec 0<>/proc/self/fd/0; "
"""Before a shell line: the terminal is opened anew by the leader of a session, and so becomes its controlling one
(tty_ioctl(4)); until then Ctrl-C is no signal there, and /dev/tty does not exist.
"""

_LOCAL = 3
_CHARACTERS = 6


class Terminal:
    """The terminal at the descriptor `fd`, as it was found. Raises termios.error where that is none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._found = termios.tcgetattr(fd)
        self._changed = False
        self._left = self._found

    @property
    def as_left(self) -> bool:
        """Whether it has the modes that we found or gave it last: with others somebody else has it now."""
        try:
            return termios.tcgetattr(self._fd) == self._left
        except termios.error:  # hung up
            return False

    @property
    def ours(self) -> bool:
        """Whether we are in its foreground: another's is neither read nor changed (credentials(7))."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # hung up, or not our session's
            return False

    def raw(self) -> None:
        """Every key is a byte, Ctrl-C too, and what is written goes out as it is (cfmakeraw(3))."""

        def change(mode: list[Any]) -> None:
            mode[0] &= ~(
                termios.IGNBRK
                | termios.BRKINT
                | termios.PARMRK
                | termios.ISTRIP
                | termios.INLCR
                | termios.IGNCR
                | termios.ICRNL
                | termios.IXON
            )
            mode[1] &= ~termios.OPOST
            mode[_LOCAL] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)

        self._change(change)

    def cbreak(self) -> None:
        """Each key at once and none shown; Ctrl-C, Ctrl-Z and Ctrl-\\ are signals as ever."""

        def change(mode: list[Any]) -> None:
            mode[_LOCAL] &= ~(termios.ECHO | termios.ICANON)

        self._change(change)

    def restore(self) -> None:
        """As it was found; not where somebody else is in the foreground, who has his own modes."""
        if self._changed and self.ours:
            self._set(self._found)
        self._changed = False

    def _change(self, change: Callable[[list[Any]], None]) -> None:
        mode = [*self._found[:_CHARACTERS], list(self._found[_CHARACTERS])]
        change(mode)
        mode[_CHARACTERS][termios.VMIN], mode[_CHARACTERS][termios.VTIME] = 1, 0
        self._changed = True
        self._set(mode)

    def _set(self, mode: list[Any]) -> None:
        """At once, and without being stopped for it where the foreground has been taken from us just now."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
            self._left = termios.tcgetattr(self._fd)  # as the driver took them, who may not have all
        except termios.error:
            pass  # it has hung up
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
