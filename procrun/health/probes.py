"""One question to an instance, asked once and answered once: does its port, its HTTP or a command say yes?

Nothing here blocks the loop. The answer is empty for yes, else why not, as a clause: `nothing listens on port 5000`.
It never comes from within the constructor, and never after `cancel`.
"""

import errno
import os
import re
import socket
from collections.abc import Callable, Sequence

from procrun.core.values import Url
from procrun.eventloop.loop import Loop
from procrun.health.resolver import Lookup
from procrun.system import limits

Answered = Callable[[str], None]
"""Hears the one answer."""

Address = tuple[str, int] | str
"""Where to connect to: a host's address and a port, or the path of a UNIX socket (`@name`: an abstract one)."""

Judge = Callable[[bytes, bool], str | None]
"""What is to be made of what was said so far, the whole of it where True: the answer, or None to read on."""

MOST_READ = 64 * 1024
"""Bytes of an answer that are looked at."""

LOOPBACK = ("127.0.0.1", "::1")


def at_port(port: int) -> list[Address]:
    """Where this machine's `port` is asked: IPv4 first, then IPv6, which some programs listen on alone."""
    return [(host, port) for host in LOOPBACK]


class Exchange:
    """Connects to the first of `addresses` that takes it, says `words`, and reads until `judge` has its answer.

    With no words a connection is enough. `what` names the question in the reasons; `within` is in seconds.
    """

    def __init__(
        self,
        loop: Loop,
        addresses: Sequence[Address],
        within: float,
        answered: Answered,
        what: str,
        words: bytes = b"",
        judge: Judge = lambda said, whole: "",
    ) -> None:
        self._loop = loop
        self._addresses = list(addresses)
        self._what = what
        self._words = words
        self._judge = judge
        self._answered = answered
        self._socket: socket.socket | None = None
        self._said = b""
        self._reason = "it listens on nothing"
        self.reached = False
        """Whether somebody took the connection."""
        self._limit = loop.after(within, lambda: self._answer(f"{what} gave no answer in {within:g} s"))
        self._first = loop.after(0, self._next)

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self._limit.cancel()
        self._first.cancel()
        self._hang_up()

    def _next(self) -> None:
        """Try the next address; there is no other way to know which of them somebody listens on."""
        self._hang_up()
        if not self._addresses:
            self._answer(self._reason)
            return
        address = self._addresses.pop(0)
        try:
            self._socket = stream = _stream(address)
            stream.connect("\0" + address[1:] if isinstance(address, str) and address[0] == "@" else address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._refused(address, error)
            return
        self._loop.write(stream.fileno(), lambda: self._connected(address))

    def _connected(self, address: Address) -> None:
        assert self._socket is not None
        self._loop.forget(self._socket.fileno())
        try:
            fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if fault:
                raise OSError(fault, os.strerror(fault))
            # Linux may give a connection the port it asks for, on the loopback: then it is connected to itself.
            if self._socket.getsockname() == self._socket.getpeername() and not isinstance(address, str):
                raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            if self._words:
                self._socket.send(self._words)  # a new socket has room for them
        except OSError as error:
            self._refused(address, error)
            return
        self.reached = True
        if self._words:
            self._loop.read(self._socket.fileno(), self._hear)
        else:
            self._answer("")

    def _refused(self, address: Address, error: OSError) -> None:
        where = address if isinstance(address, str) else f"port {address[1]}"
        if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
            self._reason = f"nothing listens on {where}"
        else:
            self._reason = f"{self._what}: {limits.why(error)}"
        self._next()

    def _hear(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(MOST_READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._answer(f"{self._what}: {limits.why(error)}")
            return
        self._said += data
        answer = self._judge(self._said, not data or len(self._said) >= MOST_READ)
        if answer is not None:
            self._answer(answer)
        elif not data:
            self._answer(f"{self._what}: it hung up")

    def _answer(self, reason: str) -> None:
        self.cancel()
        self._answered(reason)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _stream(address: Address) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


class Get:
    """GET `url`: 200 to 399 is yes, as for Kubernetes' probes; redirects are not followed.

    A host that is neither this machine nor an address is looked up first, in a thread: that may block.
    """

    def __init__(self, loop: Loop, url: Url, within: float, answered: Answered) -> None:
        self._loop = loop
        self._url = url
        self._within = within
        self._answered = answered
        self._question: Exchange | Lookup
        if url.host == "localhost" or url.host.endswith(".localhost"):  # RFC 6761, 6.3
            self._found(at_port(url.port))
        elif _is_address(url.host):
            self._found([(url.host, url.port)])
        else:
            self._question = Lookup(loop, url.host, url.port, within, self._found, answered)

    @property
    def reached(self) -> bool:
        """Whether somebody took the connection."""
        return self._question.reached

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self._question.cancel()

    def _found(self, addresses: Sequence[Address]) -> None:
        what = f"GET {self._url}"
        words = (
            f"GET {self._url.target} HTTP/1.1\r\nHost: {self._url.authority}\r\n"
            "User-Agent: procrun\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        self._question = Exchange(
            self._loop,
            addresses,
            self._within,
            self._answered,
            what,
            words.encode(),
            lambda *said: _status(what, *said),
        )


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def _status(what: str, said: bytes, whole: bool) -> str | None:
    """What an HTTP response answers, as soon as its first line is there; one before the final (1xx) is passed over."""
    while re.match(rb"HTTP/1\.[01] 1\d\d\b", said) and (end := said.find(b"\r\n\r\n")) >= 0:
        said = said[end + 4 :]
    found = re.match(rb"HTTP/1\.[01] ([2-9]\d\d)\b", said)
    if found is not None:
        return "" if found[1] < b"400" else f"{what} said {found[1].decode()}"
    if not whole and (b"\n" not in said or said.startswith(b"HTTP/1")):
        return None
    return f"{what}: the answer is no HTTP/1" if said else f"{what}: it hung up"
