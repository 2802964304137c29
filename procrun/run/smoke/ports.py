"""Ports for a run beside others: where the usual ones are taken, the next block in which all are free.

Of two such runs at the same instant only one gets a block: it holds abstract UNIX sockets (unix(7)) named after it.
These are of one network namespace, as ports are, need no file, and are gone with the process. Anybody can take such a
name: where another user has those of every block, runs of this user agree by locks in a folder of their own.
"""

import fcntl
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from procrun.core import run_dir
from procrun.core.errors import ConfigError
from procrun.core.spec import Spec
from procrun.plan.layout import Plan, lay_out
from procrun.plan.options import Wishes
from procrun.plan.preflight import PORTS_PER_TYPE, port_holder, taken_ports
from procrun.plan.sources import Sources
from procrun.system.host import peer, sockets

if TYPE_CHECKING:
    import socket
from collections.abc import Mapping

from procrun.plan.preflight import names_port


class Open(NamedTuple):
    """A port of the instance `name` on which somebody listens."""

    name: str
    port: int
    holder: str


class Ports:
    """The ports of these instances: those their commands name, and those they are seen to listen on.

    What somebody listened on before is nobody's fault.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        self._before = {port for port, _ in sockets.listening_sockets()}
        self._given = {spec.port: spec.name for spec in specs if names_port(spec)}
        self._seen: dict[tuple[int, str], str] = {}

    def look(self, processes: Mapping[str, Iterable[int]]) -> None:
        """See where the processes of these instances listen now."""
        listeners = sockets.all_listeners()
        for name, pids in processes.items():
            for address, inode in sockets.listeners(pids, listeners):
                if not isinstance(address, str):
                    self._seen[address[1], inode] = name

    def still_open(self) -> list[Open]:
        """Those that are left: the same socket, or one on a port that was free before and only a command named.

        What is behind `docker run -p $PORT:80` never was a process of ours.
        """
        seen = {port for port, _ in self._seen}
        found = {}
        for port, inode in sorted(sockets.listening_sockets()):
            name = self._seen.get((port, inode))
            if name is None and port not in self._before | seen:
                name = self._given.get(port)
            if name is not None:
                found[port] = Open(name, port, port_holder(inode))
        return list(found.values())


TRIES = 100
"""Blocks that are looked at."""

Claims = list["socket.socket | int"]
"""What holds a block until the process ends: sockets, and descriptors of locked files."""


class Placed(NamedTuple):
    """A plan whose ports are free; `notice` says where these are not the usual ones. The block is held by `claims`."""

    plan: Plan
    notice: str
    claims: Claims


class _HeldError(Exception):
    """Somebody else holds a block; `stranger` is True where it is no process of this user that can be recognised."""

    def __init__(self, who: str, stranger: bool = False) -> None:
        super().__init__(who)
        self.stranger = stranger


class _NoBlockError(Exception):
    """None of the blocks is free; `strangers` says that some of them are held by strangers alone."""

    def __init__(self, why: str, strangers: bool) -> None:
        super().__init__(why)
        self.strangers = strangers


def place(sources: Sources, wishes: Wishes) -> Placed:
    """Lay out what was read on free ports: those of `-p`, or the usual ones, or the next free block.

    Raises ConfigError where the ports of `-p` are taken, or no block is free.
    """
    if wishes.port is not None:
        made = lay_out(sources, wishes)
        taken_ports(made.specs)
        return Placed(made, "", [])
    try:
        try:
            return _search(sources, wishes, _claim)
        except _NoBlockError as full:
            if not full.strangers:
                raise
            return _search(sources, wishes, _claim_among_own)
    except _NoBlockError as full:
        raise ConfigError(f"{full}, and no block behind it is free; choose one", "-p") from None


def _search(sources: Sources, wishes: Wishes, claim: Callable[[int], "socket.socket | int"]) -> Placed:
    """The first block whose ports are free and that `claim` gets. Raises _NoBlockError."""
    made = lay_out(sources, wishes)
    why, strangers = "", False
    for _ in range(TRIES):
        try:
            claims = _claim_all(made.specs, claim)
            notice = f"{why}: the ports of this run begin at {made.base_port}; -p chooses others" if why else ""
            return Placed(made, notice, claims)
        except _HeldError as held:
            why, strangers = why or str(held), strangers or held.stranger
        try:
            made = lay_out(sources, wishes._replace(port=_next(made)))
        except ConfigError:
            break
    raise _NoBlockError(why, strangers)


def _next(made: Plan) -> int:
    return made.base_port + PORTS_PER_TYPE * len(made.types)


def _taken(specs: Iterable[Spec]) -> str:
    """Who listens on one of their ports, in words; empty where they are free."""
    listening = sockets.listening()
    for spec in specs:
        if spec.port in listening:
            return f"port {spec.port} is taken by {port_holder(listening[spec.port])}"
    return ""


def _claim_all(specs: Iterable[Spec], claim: Callable[[int], "socket.socket | int"]) -> Claims:
    """Hold the hundreds in which their ports are. Raises _HeldError where one of the ports or hundreds is another's."""
    specs = list(specs)
    taken = _taken(specs)
    if taken:
        raise _HeldError(taken)
    claims: Claims = []
    try:
        for hundred in sorted({spec.port // PORTS_PER_TYPE for spec in specs}):
            claims.append(claim(hundred))
    except _HeldError:
        for each in claims:
            _let_go(each)
        raise
    return claims


def _claim(hundred: int) -> "socket.socket | int":
    """Hold it by a name. Raises _HeldError."""
    import socket

    name = f"\0procrun-ports-{hundred}"
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(name)
        claim.listen(1)  # so that others can ask the kernel whose it is
    except OSError:
        claim.close()
        raise _held(name, hundred) from None
    return claim


def _claim_among_own(hundred: int) -> "socket.socket | int":
    """Hold it by a name, or by a lock where a stranger has that. Raises _HeldError."""
    try:
        return _claim(hundred)
    except _HeldError as held:
        base = run_dir.own_base() if held.stranger else None
        if base is None:
            raise
        return _locked(os.path.join(base, f"ports-{hundred}"), held)


def _locked(path: str, held: _HeldError) -> int:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        raise held from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise _HeldError(str(held)) from None
    return handle


def _held(name: str, hundred: int) -> _HeldError:
    """Who has the name, as far as the kernel tells."""
    import socket

    first = hundred * PORTS_PER_TYPE
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        try:
            connection.connect(name)
            uid = peer(connection).uid
        except OSError:
            return _HeldError(
                f"another process holds the name @{name[1:]}, which keeps the ports from {first} on", True
            )
    if uid == os.getuid():
        return _HeldError(f"another smoke run has ports from {first} on")
    return _HeldError(f"a process of another user (uid {uid}) has ports from {first} on", True)


def _let_go(claim: "socket.socket | int") -> None:
    if isinstance(claim, int):
        os.close(claim)
    else:
        claim.close()
