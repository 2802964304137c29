"""Writes, in a thread, to what may block: a file, whose disk may stand still; a socket; another user's pipe."""

import os
import select
import stat
from collections.abc import Callable, Sequence

from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Aside

WHOLE = select.PIPE_BUF
"""Bytes written at once to a pipe or socket: they go out whole or not at all (pipe(7)), so what is out is known."""

MOST = 64 * 1024
"""Bytes of which the end is waited for there: a slow reader takes that soon."""


class Scribe:
    """One write at a time to `fd`, of which `done` hears from the loop: what went wrong, or None."""

    def __init__(self, loop: Loop, fd: int, done: Callable[[OSError | None], None]) -> None:
        self._fd = fd
        self._done = done
        self._out = 0
        self._over = False
        self._room = select.poll()
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        if not self._is_file:
            self._room.register(fd, select.POLLOUT)
        self._aside = Aside(loop)
        self.news, self.deliver = self._aside.news, self._aside.deliver

    def write(self, pieces: Sequence[memoryview | bytes]) -> None:
        """Begin to put these out, or some of them."""
        self._aside.do(lambda: self._try(pieces), self._done)

    def out(self) -> int:
        """How many bytes are out since this was asked last."""
        out, self._out = self._out, 0
        return out

    def end(self) -> None:
        """Begin nothing more; what hangs is left to itself."""
        self._over = True

    def _try(self, pieces: Sequence[memoryview | bytes]) -> OSError | None:
        try:
            if self._is_file:
                self._out = os.writev(self._fd, pieces)
            else:
                self._copy(b"".join(pieces)[:MOST])
        except OSError as error:
            return error
        return None

    def _copy(self, data: bytes) -> None:
        """While there is room: another may take it meanwhile."""
        while data:
            self._room.poll()
            if self._over:
                return
            whole_lines = data.rfind(b"\n", 0, WHOLE) + 1
            try:
                sent = os.write(self._fd, data[: whole_lines or WHOLE])
            except BlockingIOError:
                continue  # somebody made it non-blocking, and was faster
            self._out += sent
            data = data[sent:]
