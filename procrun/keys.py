"""The keys that are pressed on procrun's own terminal: read one by one, while it is ours, and passed on."""

import os
import signal

from procrun.loop import Loop
from procrun.terminal import Terminal


class Keys:
    """Reads the terminal at stdin in the front, and writes each key into the pipe `life` for the supervisor.

    Only in the foreground: in the background (`&`, Ctrl-Z and bg) the terminal is neither read nor changed.
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
        """Give the terminal back as it was."""
        self._loop.forget(0)
        self._terminal.restore()

    def _pressed(self) -> None:
        try:
            data = os.read(0, 64) if self._terminal.ours else b""
            if data:
                os.write(self._life, data)
                return
        except BlockingIOError:
            return  # keys that nobody takes are lost
        except OSError:
            pass  # it has hung up, or is no longer ours
        self._loop.forget(0)
