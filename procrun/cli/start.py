"""`procrun start`, free of click for its speed: forks the front before anything heavy is imported."""

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from procrun.cli.errors import told
from procrun.run import guardian
from procrun.run.guardian_link import Link

if TYPE_CHECKING:
    from procrun.engines.base import Operation


def start(names: tuple[str, ...] = (), **values: Any) -> NoReturn:
    """Run the processes of the Procfile in the foreground, their output merged into one stream.

    NAME is a process type (worker) or an instance (worker.2); all are started when none is named. One process's
    end ends the run; Ctrl-C stops everything by TERM, a second Ctrl-C by KILL. Exits with the status of the first
    process that ended by itself.
    """

    def supervise(to_front: Link) -> int:
        from procrun.run.session import supervise

        return told(lambda: supervise(to_front, names, values, _follow))

    sys.exit(told(lambda: guardian.lead(supervise, not values["no_keys"])))


def _follow(operation: "Operation", as_json: bool, waits: bool) -> int:
    from procrun.cli.follow import follow  # where another run has what is to be started

    return follow(operation, as_json, waits=waits)
