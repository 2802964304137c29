"""What is said to a store, and how its answer is judged: is it ready for sessions, or only listening?"""

import os
import struct
from collections.abc import Callable
from typing import NamedTuple


def postgres_startup(user: str) -> bytes:
    """The first message of protocol 3.0 (PostgreSQL's "Message Formats"): a session of `user` is asked for."""
    wanted = f"user\0{user}\0database\0postgres\0\0".encode()
    return struct.pack("!ii", 8 + len(wanted), 196608) + wanted


# The role that most likely exists, else the server logs a refusal: initdb names it after who runs it, never root.
_POSTGRES_USER = os.environ.get("USER", "postgres") if os.geteuid() else "postgres"
_POSTGRES_STARTING_UP = b"57P03"  # cannot_connect_now, PostgreSQL's errcodes appendix


def redis_answers(answer: bytes, whole: bool) -> str:
    """PONG, or any refusal (NOAUTH; MISCONF after a failed save) but `-LOADING` (run: 0.5 s with 600,000 keys)."""
    if answer.startswith(b"-LOADING"):
        return "it is still LOADING its data"
    return "" if answer[:1] in (b"+", b"-") else "it does not answer PING"


def postgres_answers(answer: bytes, whole: bool) -> str:
    """Anything but "the database system is starting up"; an unknown user is refused by a server that is up."""
    if _POSTGRES_STARTING_UP in answer:
        return "the database system is starting up"
    return "" if answer[:1] in (b"R", b"E") else "it does not answer as postgres does"


def anything(answer: bytes, whole: bool) -> str:
    """Any answer at all."""
    return "" if answer else "it hung up"


class Protocol(NamedTuple):
    """The words, what they are called, and the judge of the answer: it says what is wrong, or nothing."""

    words: bytes
    called: str
    judge: Callable[[bytes, bool], str]


PROTOCOLS = {
    "redis": Protocol(b"PING\r\n", "redis PING", redis_answers),
    "postgres": Protocol(postgres_startup(_POSTGRES_USER), "postgres session", postgres_answers),
    "memcached": Protocol(b"version\r\n", "memcached version", anything),
}
