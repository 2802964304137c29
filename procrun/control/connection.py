"""One connection on the control socket: a request, its answers, the end, whatever the other end does or does not."""

import select
import socket
from collections.abc import Callable

from procrun.control.protocol import LONGEST, Answer, Final, Refused, Request, Talk, decode_request, encode
from procrun.core.errors import ProcrunError
from procrun.eventloop.loop import Loop

UNREAD = 1024 * 1024
"""Bytes of steps that wait for a client; one that lets more pile up is hung up on."""

EXCESS = 1024 * 1024
"""Bytes that may come after the final line is decided; they are thrown away."""

Serve = Callable[[Request, Callable[[Answer], None]], Talk]
"""Answers a request, now or later, by what it is handed. Raises ProcrunError for what cannot be done."""


class Conversation:
    """A request, any progress, more of the same talk if it has more, one final line.

    After the final line our half is shut down, and what still comes is thrown away until the client closes: a close
    with unread input would turn the answer into ECONNRESET (unix(7) has the peer's error, and nothing of the answer).
    """

    def __init__(
        self, connection: socket.socket, loop: Loop, serve: Serve, on_close: Callable[["Conversation"], None]
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._fd = connection.fileno()
        self._loop = loop
        self._serve = serve
        self._on_close = on_close
        self._input = bytearray()
        self._output = bytearray()
        self._talk: Talk | None = None
        self._expects_more = False
        self._decided = False  # the final line is known, written or not
        self._heard_out = False  # the client has shut down its half
        self._excess = 0
        loop.read(self._fd, self._readable)

    @property
    def idleness(self) -> int:
        """How little is lost by hanging up: 3 it is over, 2 nothing is asked, 1 no answer is read, 0 a lot."""
        if self._talk is not None:
            return 3 if self._heard_out and _hung_up(self._fd) else 0
        if self._decided:
            return 1 if self._output else 3
        return 2

    def send(self, message: Answer) -> None:
        """Queue a line; a final one is the last."""
        if self._decided or self._fd < 0:
            return
        self._output += encode(message)
        if isinstance(message, Final):
            self._decided = True
            self._talk = None
        self._write()
        if len(self._output) > UNREAD and not self._decided:
            self.close()

    def refuse(self, text: str, exit_status: int = 2) -> None:
        """End with a Refused, and undo what was begun."""
        talk, self._talk = self._talk, None
        self.send(Refused(text, exit_status))
        if talk is not None:
            talk.vanished()

    def close(self) -> None:
        """Hang up, and undo what the client began and must not leave behind."""
        if self._fd < 0:
            return
        self._loop.forget(self._fd)
        self._fd = -1
        self._socket.close()
        self._on_close(self)
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.vanished()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._end_of_input()
        elif self._decided:
            self._excess += len(data)
            if self._excess > EXCESS:
                self.close()
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Serve each line that is complete, up to the final answer."""
        self._input += data
        if b"\n" in data:
            *lines, rest = bytes(self._input).split(b"\n")
            self._input = bytearray(rest)
            for line in lines:
                if self._decided or self._fd < 0:
                    return
                self._take_line(line)
        if len(self._input) > LONGEST and not self._decided:
            self._input.clear()
            self.refuse(f"a request has at most {LONGEST} bytes")

    def _take_line(self, line: bytes) -> None:
        try:
            request = decode_request(line)
            if self._talk is None:
                self._begin(request)
            else:
                self._talk.more(request)
                self._expects_more = False
        except ProcrunError as error:
            self.refuse(str(error), error.exit_status)
        except (OSError, ImportError) as error:  # no descriptors, no memory, a library that was replaced meanwhile
            self.refuse(f"the run could not do it: {error}", 1)

    def _begin(self, request: Request) -> None:
        talk = self._serve(request, self.send)
        if self._decided:
            return
        if self._fd < 0:  # it hung up while the first steps were told
            talk.vanished()
            return
        self._talk = talk
        self._expects_more = talk.needs_more

    def _end_of_input(self) -> None:
        """The client has closed, or only shut down its half (`… | nc -U`) and waits for the answer."""
        self._heard_out = True
        if self._decided or _hung_up(self._fd):
            self.close()
        elif self._talk is None:
            self.refuse("half a request: the line does not end") if self._input else self.close()
        elif self._expects_more:
            self.refuse("the second request of this talk cannot come any more; what was begun is taken back")
        else:
            self._loop.forget(self._fd)  # it would be readable for ever

    def _write(self) -> None:
        if self._fd < 0:
            return
        try:
            sent = self._socket.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._output[:sent]
        self._loop.forget(self._fd)
        if self._output:
            self._loop.write(self._fd, self._write)
        elif not self._decided:
            self._listen()
        elif self._heard_out or not self._shut_down():
            self.close()
        else:
            self._listen()

    def _listen(self) -> None:
        if not self._heard_out:
            self._loop.read(self._fd, self._readable)

    def _shut_down(self) -> bool:
        """Tell the client that nothing more comes; False where it has gone."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True


def _hung_up(fd: int) -> bool:
    """Whether the other end is closed, not just its half (poll(2), POLLHUP)."""
    poller = select.poll()
    poller.register(fd, 0)  # POLLHUP is always told
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(0))
