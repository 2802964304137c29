"""`port = "auto"` at a start: the base is held, moved where somebody else is on it, remembered, and told as URLs."""

import os
from collections.abc import Iterable, Mapping

from procrun.core import run_dir
from procrun.core.spec import Spec
from procrun.eventloop import stderr
from procrun.plan import ports
from procrun.plan.layout import Plan, lay_out
from procrun.plan.options import Wishes
from procrun.plan.preflight import names_port, port_holder
from procrun.system.host import process_table, sockets

WEB = "web"
"""The type that listens on its PORT by Heroku's custom, whether its command names it or not."""


def settle(made: Plan, wishes: Wishes, folder: str) -> tuple[Plan, Wishes]:
    """The plan on a base that nobody else is on; it is remembered in `folder`, whose lock is held.

    Where another run of this checkout is alive the base stays: it is that run's, too. What cannot be remembered is
    wished for from here on, so that a plan that is read again has the same.
    """
    base = made.base_port
    if not run_dir.sockets(made.sources.root):
        base = _free(made)
    if base != made.base_port:
        made = lay_out(made.sources, wishes._replace(port=base))._replace(own_port=True)
    if not ports.remember(folder, made.sources.root, base):
        wishes = wishes._replace(port=base)
    return made, wishes


def urls(specs: Iterable[Spec]) -> Iterable[str]:
    """A line for each that can be expected to listen on its port."""
    return (f"{spec.name} at http://127.0.0.1:{spec.port}" for spec in specs if spec.type == WEB or names_port(spec))


def _free(made: Plan) -> int:
    """The base of the plan, or the next where all its ports are free; says why it is another one."""
    listening = sockets.listening()
    wanted = sorted({spec.port for spec in made.specs})
    taken = next((port for port in wanted if port in listening and not _ours(listening[port], made.sources.root)), None)
    if taken is None:
        return made.base_port
    for base in ports.after(made.base_port, len(made.types)):
        if not any(port - made.base_port + base in listening for port in wanted):
            stderr.tell(
                f"port {taken} is taken by {_who(taken, listening)}; this checkout has the ports from {base} on now"
            )
            return base
    return made.base_port  # all are taken: to be told for the one that is wanted


def _ours(inode: str, root: str) -> bool:
    """Whether it is held by what was started in this checkout: the base is no other's then."""
    pid = sockets.holder(inode)
    where = process_table.folder(pid) if pid else ""
    return os.path.join(where, "").startswith(os.path.join(os.path.realpath(root), ""))


def _who(port: int, listening: Mapping[int, str]) -> str:
    pid = sockets.holder(listening[port])
    where = process_table.folder(pid) if pid else ""
    return port_holder(listening[port]) + (f" in {where}" if where else "")
