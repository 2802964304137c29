"""Who is at the other end of a UNIX socket, as the kernel tells."""

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # 4 ms, and not needed before the first child
    import socket


class Peer(NamedTuple):
    """The process that has connected, or that listens; its pid is 0 where it is in another pid namespace."""

    pid: int
    uid: int


def peer(connection: "socket.socket") -> Peer:
    """The other end of `connection`, as it was at connect(2) or listen(2) (unix(7), SO_PEERCRED)."""
    import socket

    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid, uid)


def limit_connect(connection: "socket.socket", seconds: int) -> None:
    """Have connect(2) wait no longer than that while others are before us (unix(7), SO_SNDTIMEO)."""
    import socket

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", seconds, 0))
