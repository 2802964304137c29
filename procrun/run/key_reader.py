"""The keys that are pressed on procrun's own terminal: read one by one, while it is ours, and passed on."""

import os
import signal

from procrun.eventloop.loop import Loop
from procrun.system.terminal import PASTED, Terminal

AT_ONCE = 4096
"""Bytes read at once: what a terminal emulator pastes in one go, or sends for one key (an arrow: `ESC [ A`)."""


class Keys:
    """Reads the terminal at stdin in the front, and writes each key into the pipe `life` for the supervisor.

    The terminal is ours while we are in its foreground (not after `&`, or Ctrl-Z and bg) and it has the modes that we
    gave it: with other modes somebody else has taken it over, say a debugger started by the same script. A terminal
    that is not ours is neither read nor changed.
    """

    def __init__(self, loop: Loop, life: int) -> None:
        self._loop = loop
        self._life = life
        self._terminal = Terminal(0)
        os.set_blocking(life, False)  # a supervisor that stands still holds nobody up
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # a read in the background fails, and stops nobody (setpgid(2))

    def listen(self) -> None:
        """From here on, if the terminal is ours."""
        if self._terminal.ours:
            self._terminal.cbreak()
            if 0 not in self._loop:
                self._loop.read(0, self._pressed)

    def rest(self) -> None:
        """Give the terminal back as it was; not one that somebody else has taken over."""
        self._loop.forget(0)
        if self._terminal.as_left:
            self._terminal.restore()

    def _pressed(self) -> None:
        """A key is one byte. More of them at once are text: pasted, or typed for somebody who does not read it."""
        try:
            data = os.read(0, AT_ONCE) if self._terminal.ours and self._terminal.as_left else b""
            if data:
                os.write(self._life, data if len(data) == 1 else PASTED)
                return
        except BlockingIOError:
            return  # keys that nobody takes are lost
        except OSError:
            pass  # it has hung up, or is no longer ours
        self._loop.forget(0)
