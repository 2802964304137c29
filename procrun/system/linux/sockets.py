"""What listens on this machine, TCP and UNIX sockets, and who it is."""

import os
import sys
from collections.abc import Iterable, Iterator

from procrun.system.linux.procfs import _descriptors, _read, entry
from procrun.system.types import Listener


def all_listeners() -> list[Listener]:
    """What anybody listens on here, TCP and UNIX sockets; a relative path as it was bound."""
    rows = [Listener((host, port), inode) for host, port, inode in _listen_rows("tcp")]
    rows += [Listener((host, port), inode) for host, port, inode in _listen_rows("tcp6")]
    return rows + [Listener(path, inode) for path, inode in _unix_rows()]


def listeners(pids: Iterable[int], among: Iterable[Listener]) -> list[Listener]:
    """Those of `among` that one of these processes has open; a relative path leads through its folder."""
    owners = {link[8:-1]: pid for pid in pids for link in _descriptors(pid) if link.startswith("socket:[")}
    found = [row for row in among if row.inode in owners]
    return [
        row._replace(address=f"{entry(owners[row.inode])}/cwd/{row.address}")
        if isinstance(row.address, str) and row.address[0] not in "/@"
        else row
        for row in found
    ]


def listening() -> dict[int, str]:
    """TCP ports somebody listens on, each with its socket's inode.

    Read from the LISTEN rows: a bind() test takes a port in TIME_WAIT for taken, and names nobody.
    """
    return {port: inode for table in ("tcp", "tcp6") for _, port, inode in _listen_rows(table)}


def first_outgoing_port() -> int:
    """Where the ports begin that the kernel gives to outgoing connections (ip(7)); 0 where that cannot be read."""
    fields = _read("/proc/sys/net/ipv4/ip_local_port_range").split()
    return int(fields[0]) if fields else 0


def listening_sockets() -> set[tuple[int, str]]:
    """The same as port and inode, of every socket: a port may have one for each address."""
    return {(port, inode) for table in ("tcp", "tcp6") for _, port, inode in _listen_rows(table)}


def holder(inode: str) -> int | None:
    """The pid that has the socket `inode` open; None where that is not ours to see."""
    wanted = f"socket:[{inode}]"
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted in _descriptors(int(name)):
            return int(name)
    return None


def _listen_rows(table: str) -> Iterator[tuple[str, int, str]]:
    for line in _read(f"/proc/self/net/{table}").decode().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":  # TCP_LISTEN, include/net/tcp_states.h
            host, _, port = fields[1].partition(":")
            yield _host(host), int(port, 16), fields[9]


def _host(text: str) -> str:
    """An address of /proc/net/tcp{,6}: 32-bit words in the machine's byte order; any address as the loopback."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return ".".join(map(str, packed)) if any(packed) else "127.0.0.1"
    groups = [f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2)]
    return ":".join(groups) if any(packed) else "::1"


def _unix_rows() -> Iterator[tuple[str, str]]:
    for line in _read("/proc/self/net/unix").decode(errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[3], 16) & 0x10000:  # __SO_ACCEPTCON: it listens
            yield fields[7], fields[6]
