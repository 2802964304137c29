"""Writes to what cannot be opened again (a socket, another user's pipe or terminal): it may block, the loop may not."""

import os
import select
import threading
from collections.abc import Callable

from procrun.lines import Amount, measure

PIECE = select.PIPE_BUF
"""Bytes written at once: that many go out whole or not at all (pipe(7)), so that what is out can be counted."""


class Scribe(threading.Thread):
    """Copies from a pipe of its own, whose non-blocking end is `inlet`, to `fd`.

    After an error, which `on_error` hears of, everything more is read and counted.
    """

    def __init__(self, fd: int, on_error: Callable[[OSError], None]) -> None:
        super().__init__(daemon=True)
        self._outlet, self.inlet = os.pipe()
        os.set_blocking(self.inlet, False)
        self._fd = fd
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)
        self._on_error = on_error
        self._broken = False
        self._over = False
        self._data = b""
        self._lost = Amount()
        self.start()

    def run(self) -> None:
        """Copy until the inlet is closed."""
        while data := os.read(self._outlet, 65536):
            self._data = data
            self._copy()

    def finish(self, patience: float) -> Amount:
        """Wait up to `patience` seconds for the end of the copying, the inlet being closed; what did not come out."""
        self.join(patience)
        self._over = True
        if self.is_alive():
            os.set_blocking(self._outlet, False)
            self._lose(self._data)
            while data := os.read(self._outlet, 65536):
                self._lose(data)
        return self._lost

    def _copy(self) -> None:
        while self._data and not self._broken and not self._over:
            try:
                self._put()
            except BlockingIOError:
                continue  # somebody made it non-blocking, and was faster
            except OSError as error:
                self._broken = True
                self._on_error(error)
        if not self._over:
            self._lose(self._data)
            self._data = b""

    def _put(self) -> None:
        self._room.poll()
        if not self._over:
            whole_lines = self._data.rfind(b"\n", 0, PIECE) + 1
            self._data = self._data[os.write(self._fd, self._data[: whole_lines or PIECE]) :]

    def _lose(self, data: bytes) -> None:
        self._lost = self._lost.plus(measure(data))
