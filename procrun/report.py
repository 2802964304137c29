"""How things are, as text for people: the tables of `ps`, `chaos` and `doctor`."""

from collections.abc import Sequence
from typing import Any

from procrun.chaos.schedule import Fault, Outcome
from procrun.control.protocol import Row
from procrun.core.events import duration
from procrun.core.tables import table
from procrun.hints import plain
from procrun.recovery.leftovers import Leftover
from procrun.recovery.past_runs import moment
from procrun.system.linux import procfs


def status_table(rows: Sequence[Row]) -> str:
    """The instances as a table for people; with a column BUSY where a process title tells of its work.

    And with a column STATUS where one tells how it is.
    """
    told = any(row.busy is not None for row in rows)
    said = any(row.status for row in rows)
    cells = [
        (
            row.name,
            row.state,
            *([_busy(row)] if told else []),
            row.pid,
            row.port,
            duration(row.uptime) if row.uptime is not None else None,
            row.restarts,
            f"{row.cpu_percent:.1f}%",
            _size(row.memory),
            row.last_exit,
            *([plain(row.status) if row.status else None] if said else []),
        )
        for row in rows
    ]
    first = ("NAME", "STATE", *(["BUSY"] if told else []))
    headers = (*first, "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST EXIT", *(["STATUS"] if said else []))
    return table(cells, headers)


def plan_table(faults: Sequence[Fault]) -> str:
    """What is to be done, when and to whom."""
    return table([(f"{fault.at:.2f} s", _fault(fault), fault.instance) for fault in faults], _PLAN)


def outcome_table(outcomes: Sequence[Outcome]) -> str:
    """What was done to whom, and how long it took to recover."""
    cells = [
        (
            f"{outcome.at:.2f} s",
            _done(outcome),
            outcome.fault.instance,
            outcome.pid,
            outcome.note or (f"{outcome.recovered:.2f} s" if outcome.recovered is not None else "no"),
        )
        for outcome in outcomes
    ]
    return table(cells, (*_PLAN, "PID", "RECOVERED AFTER"))


_PLAN = ("TIME", "FAULT", "INSTANCE")


def _fault(fault: Fault) -> str:
    """`kill`, `kill child`, `stop 1.3 s`, `flood 1.0 s`."""
    if fault.kind == "kill":
        return "kill" if fault.child is None else "kill child"
    return f"{fault.kind} {fault.seconds:.1f} s"


def _done(outcome: Outcome) -> str:
    """The same as it was done: a flood with its bytes, `flood 50.0 MB`."""
    if outcome.fault.kind == "flood":
        return f"flood {outcome.written / 10**6:.1f} MB"
    return _fault(outcome.fault._replace(child=0.0 if outcome.child else None))


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


def _busy(row: Row) -> str | None:
    return f"{row.busy}/{row.threads}" if row.busy is not None else None


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count else "-"
