"""The control socket's end in the supervisor: requests in, progress and replies out; it never blocks, never trusts."""

import os
import socket
import struct
from collections.abc import Callable

from procrun import limits
from procrun.errors import ProcrunError
from procrun.loop import Loop
from procrun.messages import LONGEST, Answer, Final, Refused, Request, Talk, decode_request, encode

UNREAD = 1024 * 1024
"""Bytes of answers that wait for a client; one that lets more pile up is hung up on."""

Serve = Callable[[Request, Callable[[Answer], None]], Talk]
"""Answers a request, now or later, by what it is handed. Raises ProcrunError for what cannot be done."""


class Server:
    """Listens on `path` (mode 0600) and has each client's requests answered by `serve`, from the loop.

    Raises OSError where there can be no socket.
    """

    def __init__(self, path: str, loop: Loop, serve: Serve) -> None:
        self._path = path
        self._loop = loop
        self._serve = serve
        self._clients: set[_Client] = set()
        self._socket = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._socket.bind(path)
        finally:
            os.umask(before)
        self._socket.listen(128)
        self._socket.setblocking(False)
        loop.read(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Take the socket away; what clients are still owed is written if it can be at once."""
        try:
            os.unlink(self._path)
        except OSError:
            pass
        self._socket.close()
        for client in list(self._clients):
            client.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return  # it has gone again
        if limits.scarce() or _peer_uid(connection) not in (0, os.getuid()):
            connection.close()
            return
        self._clients.add(_Client(connection, self._loop, self._serve, self._clients.discard))


class _Client:
    """One connection: a request, any progress, more of the same talk if it has more, one final reply, the end."""

    def __init__(
        self, connection: socket.socket, loop: Loop, serve: Serve, on_close: Callable[["_Client"], None]
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._fd = connection.fileno()
        self._loop = loop
        self._serve = serve
        self._on_close = on_close
        self._input = b""
        self._output = b""
        self._ending = False
        self._talk: Talk | None = None
        loop.read(self._fd, self._readable)

    def send(self, message: Answer) -> None:
        """Queue a line; a final one ends the connection once it is written."""
        self._output += encode(message)
        self._ending = self._ending or isinstance(message, Final)
        if len(self._output) > UNREAD:
            self.close()
        else:
            self._writable()

    def close(self) -> None:
        """Hang up, and undo what the client began and must not leave behind."""
        if self._fd >= 0:
            self._loop.forget(self._fd)
            self._fd = -1
            self._socket.close()
            self._on_close(self)
            if self._talk is not None and not self._ending:
                self._talk.vanished()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._input += data
        line, newline, rest = self._input.partition(b"\n")
        if newline:
            self._input = rest
            self._take(line)
        elif len(self._input) > LONGEST:
            self._take(b"")

    def _take(self, line: bytes) -> None:
        try:
            request = decode_request(line)
            if self._talk is None:
                self._talk = self._serve(request, self.send)
            else:
                self._talk.more(request)
        except ProcrunError as error:
            self.send(Refused(str(error), error.exit_status))

    def _writable(self) -> None:
        if self._fd < 0:
            return
        try:
            sent = self._socket.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._output = self._output[sent:]
        self._loop.forget(self._fd)
        if self._output:
            self._loop.write(self._fd, self._writable)
        elif self._ending:
            self.close()
        else:
            self._loop.read(self._fd, self._readable)


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)
