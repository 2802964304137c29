"""Where is a host: asked in a thread of its own, as it may take long, and the loop may not."""

import os
import socket
import threading
from collections.abc import Callable, Sequence

from procrun.eventloop.loop import Loop


class Lookup:
    """Looks up `host`; `found` hears its addresses with `port`, or `answered` why there are none."""

    reached = False

    def __init__(
        self,
        loop: Loop,
        host: str,
        port: int,
        within: float,
        found: Callable[[Sequence[tuple[str, int]]], None],
        answered: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._found = found
        self._answered = answered
        self._host = host
        self._addresses: list[tuple[str, int]] = []
        self._fault = ""
        self._reader, writer = os.pipe()
        loop.read(self._reader, self._done)
        self._limit = loop.after(within, lambda: self._fail(f"the name {host} was not found in {within:g} s"))
        try:
            threading.Thread(target=self._look_up, args=(port, writer), daemon=True).start()
        except RuntimeError as error:  # for want of memory, or of processes
            self._fault = str(error)
            os.close(writer)

    def cancel(self) -> None:
        """Nobody wants to know any more; the thread ends when it can."""
        self._limit.cancel()
        if self._reader >= 0:
            self._loop.forget(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _look_up(self, port: int, writer: int) -> None:
        """In the thread. The end of the pipe is the word that it is done."""
        try:
            rows = socket.getaddrinfo(self._host, port, type=socket.SOCK_STREAM)
            self._addresses = [(str(row[4][0]), port) for row in rows]
        except (OSError, UnicodeError) as error:
            self._fault = (error.strerror if isinstance(error, OSError) else None) or str(error)
        finally:
            os.close(writer)

    def _done(self) -> None:
        if self._fault:
            self._fail(f"the name {self._host} is not found: {self._fault}")
        else:
            self.cancel()
            self._found(self._addresses)

    def _fail(self, reason: str) -> None:
        self.cancel()
        self._answered(reason)
