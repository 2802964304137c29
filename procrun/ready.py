"""Is a store ready: it answers in its own protocol; it is asked quickly until it does, and then no more."""

import os
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from procrun import proc
from procrun.loop import Loop, Timer

if TYPE_CHECKING:
    import socket

EVERY = 0.05
"""Seconds between two questions."""

SELDOM = 0.5
"""The same at most, once it answers that it is not ready: postgres logs each time that it had to."""

ANSWER_WITHIN = 2.0
"""Seconds a store has to answer one question; then it is asked anew."""

GIVE_UP_AFTER = 30.0
"""Seconds after which its dependents start all the same, with a warning."""


def postgres_startup(user: str) -> bytes:
    """The first message of protocol 3.0 (PostgreSQL's "Message Formats"): a session of `user` is asked for."""
    wanted = f"user\0{user}\0database\0postgres\0\0".encode()
    return struct.pack("!ii", 8 + len(wanted), 196608) + wanted


# The role that most likely exists, else the server logs a refusal: initdb names it after who runs it, never root.
_POSTGRES_USER = os.environ.get("USER", "postgres") if os.geteuid() else "postgres"
_POSTGRES_STARTING_UP = b"57P03"  # cannot_connect_now, PostgreSQL's errcodes appendix


def redis_answers(answer: bytes) -> bool:
    """PONG, or any refusal (NOAUTH; MISCONF after a failed save) but `-LOADING` (run: 0.5 s with 600,000 keys)."""
    return answer[:1] in (b"+", b"-") and not answer.startswith(b"-LOADING")


def postgres_answers(answer: bytes) -> bool:
    """Anything but "the database system is starting up"; an unknown user is refused by a server that is up."""
    return answer[:1] in (b"R", b"E") and _POSTGRES_STARTING_UP not in answer


def anything(answer: bytes) -> bool:
    """Any answer at all."""
    return bool(answer)


PROTOCOLS: dict[str, tuple[bytes, Callable[[bytes], bool]]] = {
    "redis": (b"PING\r\n", redis_answers),
    "postgres": (postgres_startup(_POSTGRES_USER), postgres_answers),
    "memcached": (b"version\r\n", anything),
    "connect": (b"", anything),
}
"""What is said to a store, and how its answer is judged; with nothing to say a connection is enough."""


class Probe:
    """Asks until the store answers, then calls `on_ready(True)`; `on_ready(False)` after `limit` seconds."""

    def __init__(
        self,
        loop: Loop,
        protocol: str,
        pids: Callable[[], Iterable[int]],
        on_ready: Callable[[bool], None],
        limit: float = GIVE_UP_AFTER,
    ) -> None:
        self._loop = loop
        self._question, self._judge = PROTOCOLS[protocol]
        self._pids = pids
        self._on_ready = on_ready
        self._socket: socket.socket | None = None
        self._turn = 0
        self._pause = EVERY
        self._next: Timer = loop.after(EVERY, self._ask)
        self._limit: Timer = loop.after(limit, lambda: self._end(False))

    def cancel(self) -> None:
        """Ask no more; the process is gone."""
        self._hang_up()
        self._next.cancel()
        self._limit.cancel()

    def _end(self, ready: bool) -> None:
        self.cancel()
        self._on_ready(ready)

    def _ask(self) -> None:
        import socket  # behind the children

        self._hang_up()
        self._next = self._loop.after(EVERY, self._ask)
        found = proc.listeners(self._pids())
        if not found:
            return
        address = found[self._turn % len(found)].address
        self._turn += 1
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        )
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect("\0" + address[1:] if isinstance(address, str) and address[0] == "@" else address)
        except BlockingIOError:
            pass
        except OSError:
            return
        self._next.cancel()
        self._next = self._loop.after(ANSWER_WITHIN, self._ask)
        self._loop.write(self._socket.fileno(), self._connected)

    def _connected(self) -> None:
        assert self._socket is not None
        self._loop.forget(self._socket.fileno())
        try:
            self._socket.getpeername()  # ENOTCONN where the connection failed
            if not self._question:
                self._end(True)
                return
            self._socket.send(self._question)
        except OSError:
            self._again()
            return
        self._loop.read(self._socket.fileno(), self._answered)

    def _answered(self) -> None:
        assert self._socket is not None
        try:
            answer = os.read(self._socket.fileno(), 4096)
        except OSError:
            answer = b""
        if self._judge(answer):
            self._end(True)
        else:
            self._again()
            self._pause = min(2 * self._pause, SELDOM)

    def _again(self) -> None:
        self._hang_up()
        self._next.cancel()
        self._next = self._loop.after(self._pause, self._ask)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
