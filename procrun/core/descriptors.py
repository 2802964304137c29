"""File descriptors that a run will need: seen to before anything is started."""

from procrun.core.errors import ConfigError
from procrun.system.limits import CLIENTS, room, soft_limit

STANDING = 16
"""Descriptors of the supervisor besides the pipes of instances: front 2, loop 3, output 2, socket, lock, record, the
pipes of two threads 4, the run's folder and the one around it 2.
"""

ALONE = "procrun alone"
"""What is started where no instance is, for people."""


def reserve(more: int, what: str = ALONE, else_: str = "") -> None:
    """See to it that so many can be opened, to start `what`; `else_` is what one can do besides raising the limit.

    Raises ConfigError where the hard limit is too low for that.
    """
    free = room(more + CLIENTS)
    if free < more:
        allowed = soft_limit()
        text = f"{allowed - free + more} file descriptors are needed to start {what}, and {allowed} are allowed at most"
        raise ConfigError(f"{text}; {else_}raise the hard limit (ulimit -Hn)", "ulimit -n")
