"""How things are, as text for people: the tables of `ps`, `chaos` and `doctor`."""

from collections.abc import Sequence
from typing import Any

from procrun.core.tables import table
from procrun.recovery.leftovers import Leftover
from procrun.recovery.past_runs import moment
from procrun.system.linux import procfs


def leftover_table(left: Sequence[Leftover]) -> str:
    """What earlier runs left, as a table for people."""
    cells = [
        (each.dyno.name, each.row.pid, moment(procfs.clock(each.row.started)), procfs.title(each.row.pid), each.how)
        for each in left
    ]
    return table(cells, ("INSTANCE", "PID", "STARTED", "COMMAND", "FOUND BY"))


def leftover_rows(left: Sequence[Leftover]) -> list[dict[str, Any]]:
    """The same for programs: `started` in seconds of the epoch, `run` as in the mark PROCRUN_DYNO."""
    return [
        {
            "name": each.dyno.name,
            "pid": each.row.pid,
            "started": round(procfs.clock(each.row.started), 2),
            "command": procfs.command_line(each.row.pid) or procfs.title(each.row.pid),
            "found_by": each.how,
            "sure": each.sure,
            "run": each.run,
        }
        for each in left
    ]
