"""Ports for a run beside others: where the usual ones are taken, the next block in which all are free.

Of two such runs at the same instant only one gets a block: it holds abstract UNIX sockets (unix(7)) named after it.
These are of one network namespace, as ports are, need no file, and are gone with the process.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from procrun import proc
from procrun.errors import ConfigError
from procrun.model import Spec, Wishes
from procrun.plan import PORTS_PER_TYPE, Plan, lay_out, port_holder, taken_ports
from procrun.sources import Sources

if TYPE_CHECKING:
    import socket

TRIES = 100
"""Blocks that are looked at."""


class Placed(NamedTuple):
    """A plan whose ports are free; `notice` says where these are not the usual ones. The block is held by `claims`."""

    plan: Plan
    notice: str
    claims: "list[socket.socket]"


def place(sources: Sources, wishes: Wishes) -> Placed:
    """Lay out what was read on free ports: those of `-p`, or the usual ones, or the next free block.

    Raises ConfigError where the ports of `-p` are taken, or no block is free.
    """
    first = made = lay_out(sources, wishes)
    if wishes.port is not None:
        taken_ports(made.specs)
        return Placed(made, "", [])
    why = ""
    for _ in range(TRIES):
        taken = _taken(made.specs)
        claims = _claim(made.specs) if not taken else None
        if claims is not None:
            notice = f"{why}: the ports of this run begin at {made.base_port}; -p chooses others" if why else ""
            return Placed(made, notice, claims)
        why = why or taken or f"another smoke run has ports from {first.base_port} on"
        try:
            made = lay_out(sources, wishes._replace(port=_next(made)))
        except ConfigError:
            break
    raise ConfigError(f"{why}, and no block behind it is free; choose one", "-p")


def _next(made: Plan) -> int:
    return made.base_port + PORTS_PER_TYPE * len(made.types)


def _taken(specs: Iterable[Spec]) -> str:
    """Who listens on one of their ports, in words; empty where they are free."""
    listening = proc.listening()
    for spec in specs:
        if spec.port in listening:
            return f"port {spec.port} is taken by {port_holder(listening[spec.port])}"
    return ""


def _claim(specs: Iterable[Spec]) -> "list[socket.socket] | None":
    """Hold the hundreds in which their ports are; None where another run holds one of them."""
    import socket

    claims: list[socket.socket] = []
    for hundred in sorted({spec.port // PORTS_PER_TYPE for spec in specs}):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0procrun-ports-{hundred}")
        except OSError:
            for each in (claim, *claims):
                each.close()
            return None
        claims.append(claim)
    return claims
