"""The control socket's end in the supervisor: who is let in, and how many; it never blocks, never trusts."""

import os
import socket
import struct

from procrun import limits, rundir
from procrun.aside import patiently
from procrun.conversation import Conversation, Serve
from procrun.loop import Loop

RETRY = 1.0
"""Seconds until descriptors are looked for again when there were none, and no connection had one to give back."""


class Server:
    """Listens on `path` (mode 0600) and has each client's requests answered by `serve`, from the loop.

    Raises OSError where there can be no socket.
    """

    def __init__(self, path: str, loop: Loop, serve: Serve) -> None:
        self._path = path
        self._loop = loop
        self._serve = serve
        self._clients: list[Conversation] = []  # in the order they came
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            _listen(self._socket, path)
        except OSError:
            self._socket.close()
            raise
        self._watch()

    def close(self) -> None:
        """Take the socket away; what clients are still owed is written if it can be at once."""
        patiently(lambda: rundir.remove(self._path))
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        for client in list(self._clients):
            client.close()

    def _watch(self) -> None:
        fd = self._socket.fileno()
        if fd >= 0 and fd not in self._loop:
            self._loop.read(fd, self._accept)

    def _accept(self) -> None:
        """Let one in, so that others of the loop have their turn between any two."""
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it has gone again
        except OSError:  # no descriptors (accept(2): EMFILE, ENFILE): it stays readable, and the loop would spin
            if not self._make_room():
                self._loop.forget(self._socket.fileno())
                self._loop.after(RETRY, self._watch)
            return
        if _peer_uid(connection) not in (0, os.getuid()):
            connection.close()
            return
        room = self._has_room() or self._make_room()
        client = Conversation(connection, self._loop, self._serve, self._closed)
        self._clients.append(client)
        if not room:
            client.refuse("too many clients; try again in a moment", 1)

    def _has_room(self) -> bool:
        """For 64 at a time; fewer where descriptors are few, which the run needs more, but always for one."""
        return not self._clients or (len(self._clients) < limits.CLIENTS and not limits.scarce())

    def _closed(self, client: Conversation) -> None:
        self._clients.remove(client)
        self._watch()

    def _make_room(self) -> bool:
        """Hang up on the one that matters least, of those the first that came; False when all wait for an answer."""
        idle = [client for client in self._clients if client.idleness]
        if not idle:
            return False
        max(idle, key=lambda client: client.idleness).close()
        return True


def _listen(listener: socket.socket, path: str) -> None:
    """Have the socket listen at `path`. It gets its name last: a client clears away what nobody listens on."""
    unfinished = f"{path}~"
    try:
        os.unlink(unfinished)
    except FileNotFoundError:
        pass
    before = os.umask(0o177)
    try:
        listener.bind(unfinished)
    finally:
        os.umask(before)
    try:
        listener.listen(128)
        listener.setblocking(False)
        os.rename(unfinished, path)
    except OSError:
        os.unlink(unfinished)
        raise


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)
