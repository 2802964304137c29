"""Which TCP ports an app listens on, and which of them somebody still does when the app is gone."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from procrun.core.spec import Spec
from procrun.plan.preflight import names_port, port_holder
from procrun.system.linux import sockets


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
