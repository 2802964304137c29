"""The control socket's end in the supervisor: who is let in, and how many; it never blocks, never trusts."""

import os
import socket
from collections.abc import Callable

from procrun.control.connection import Conversation, Serve
from procrun.core import run_dir
from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import patiently
from procrun.system import limits
from procrun.system.host import peer

RETRY = 1.0
"""Seconds until descriptors are looked for again when there were none, and no connection had one to give back."""


class Server:
    """Listens on `path` (mode 0600) and has each client's requests answered by `serve`, from the loop.

    Raises OSError where there can be no socket.
    """

    def __init__(self, path: str, loop: Loop, serve: Serve) -> None:
        self.path = path
        self.called = "control socket"
        self._loop = loop
        self._serve = serve
        self._clients: list[Conversation] = []  # in the order they came
        self._socket = _listener(path)
        self._file = run_dir.file_at(path)
        self._watch()

    def is_there(self) -> bool:
        """Whether clients find it. May block."""
        return run_dir.file_at(self.path) == self._file

    def give_up(self) -> None:
        """It cannot be made anew: nothing depends on it here."""

    def remake(self, folder: str) -> Callable[[], None]:
        """Listen in `folder`, too; what is returned takes clients in there alone, and is called in the loop.

        May block. Raises OSError where there can be no socket.
        """
        path = run_dir.socket_path(folder)
        listener = _listener(path)
        file = run_dir.file_at(path)

        def count() -> None:
            while self._accept():
                pass  # they have come in time
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self.path, self._file, self._socket = path, file, listener
            self._watch()

        return count

    def close(self) -> None:
        """Take the socket away; what clients are still owed is written if it can be at once."""
        patiently(lambda: run_dir.remove(self.path))
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        for client in list(self._clients):
            client.close()

    def _watch(self) -> None:
        fd = self._socket.fileno()
        if fd >= 0 and fd not in self._loop:
            self._loop.read(fd, self._let_in)

    def _let_in(self) -> None:
        self._accept()

    def _accept(self) -> bool:
        """Let one in, so that others of the loop have their turn between any two; whether there was one."""
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # it has gone again
        except OSError:  # no descriptors (accept(2): EMFILE, ENFILE): it stays readable, and the loop would spin
            if not self._make_room():
                self._loop.forget(self._socket.fileno())
                self._loop.after(RETRY, self._watch)
            return False
        if peer(connection).uid not in (0, os.getuid()):
            connection.close()
            return True
        room = self._has_room() or self._make_room()
        client = Conversation(connection, self._loop, self._serve, self._closed)
        self._clients.append(client)
        if not room:
            client.refuse("too many clients; try again in a moment", 1)
        return True

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


def _listener(path: str) -> socket.socket:
    """A socket that listens at `path`. It gets its name last: a client clears away what nobody listens on."""
    listener = socket.socket(socket.AF_UNIX)
    unfinished = f"{path}~"
    try:
        run_dir.remove(unfinished)
        os.fchmod(listener.fileno(), 0o600)  # what bind(2) gives to the file; the umask is everybody's in this process
        listener.bind(unfinished)
        listener.listen(128)
        listener.setblocking(False)
        os.rename(unfinished, path)
    except OSError:
        run_dir.remove(unfinished)
        listener.close()
        raise
    return listener
