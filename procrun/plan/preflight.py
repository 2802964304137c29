"""What is looked at before anything is started: ports that are taken, and descriptors that will be needed."""

from collections.abc import Iterable, Sequence

from procrun.core.descriptors import ALONE, reserve
from procrun.core.errors import ConfigError
from procrun.core.spec import APART, Spec
from procrun.plan.policies import NAMES_PORT
from procrun.system.host import process_table, sockets

PORTS_PER_TYPE = 100


def names_port(spec: Spec) -> bool:
    """Whether its command says `$PORT`, so that it will listen there."""
    return NAMES_PORT.search(spec.command) is not None


def taken_ports(specs: Iterable[Spec]) -> None:
    """Raise ConfigError, naming the pid, where a command names `$PORT` and somebody listens on it already."""
    users = [spec for spec in specs if names_port(spec)]
    listening = sockets.listening() if users else {}
    for spec in users:
        if spec.port in listening:
            holder = port_holder(listening[spec.port])
            raise ConfigError(f"port {spec.port} is taken by {holder}; stop it, or choose another base: -p", spec.name)


def port_holder(inode: str) -> str:
    """Who has a listening socket, for people."""
    pid = sockets.holder(inode)
    return f"pid {pid} ({process_table.title(pid)})" if pid else "another user's process"


def _number(instance: str) -> int:
    return int(instance.rpartition(".")[2])


def refuse_shared_ports(specs: Iterable[Spec]) -> None:
    """Raise ConfigError where two instances that name `$PORT` would get the same one."""
    users: dict[int, Spec] = {}
    for spec in specs:
        if names_port(spec):
            other = users.setdefault(spec.port, spec)
            if other is not spec:
                first, second = sorted((other, spec), key=lambda each: _number(each.name), reverse=True)
                text = f"{first.name} and {second.name} would both get port {spec.port}"
                raise ConfigError(f"{text}; start at most {PORTS_PER_TYPE} of {first.type}", "ports")


WATCHING = 6
"""Descriptors of what watches files: a pipe 2, inotify 1, epoll 1, eventfd 1, a look at a folder 1."""


def make_room(specs: Sequence[Spec], besides: int = 0) -> None:
    """See to it that these can be started, with `besides` more descriptors.

    Raises ConfigError where the hard limit is too low for that.
    """
    count = f"{len(specs)} instance{'s' * (len(specs) != 1)}" if specs else ALONE
    fewer = "start fewer, or " if len(specs) > 1 else ""
    reserve(besides + sum(map(_descriptors, specs)), count, fewer)


def _descriptors(spec: Spec) -> int:
    """Those of its console, a connection to ask it something, and the socket at which it tells how it is."""
    manners = spec.manners
    asked = manners.awaited or manners.alive is not None
    told = bool(manners.watchdog) or (manners.ready is not None and manners.ready.kind == "notify")
    return 2 + (spec.console == APART) + asked + told
