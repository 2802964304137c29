"""Who is at the other end of a UNIX socket, as the kernel tells."""

import socket
import struct
from typing import NamedTuple


class Peer(NamedTuple):
    """The process that has connected, or that listens; its pid is 0 where it is in another pid namespace."""

    pid: int
    uid: int


def peer(connection: socket.socket) -> Peer:
    """The other end of `connection`, as it was at connect(2) or listen(2) (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid, uid)
