"""What became of the earlier runs of a folder, in words; records that nobody needs any more are cleared away."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from procrun.core import run_dir
from procrun.core.tables import table
from procrun.recovery.leftovers import Leftover, find
from procrun.recovery.run_record import Fate, Record, records
from procrun.system.host import process_table

SHOWN = 3
"""Processes that the line of an earlier run names."""


class Earlier(NamedTuple):
    """An earlier run that was cut short, and what of it is alive."""

    record: Record
    fate: Fate
    left: list[Leftover]


def rescued(root: str) -> list[tuple[Record, list[str]]]:
    """The runs that are just being stopped by their front, and the instances they had."""
    return [(record, [d.name for d in record.dynos]) for record, fate in records(root) if fate is Fate.RESCUED]


def look_back(root: str) -> list[Earlier]:
    """The earlier runs of `root` that were cut short; the records of those with nothing left are removed."""
    known = [(record, fate) for record, fate in records(root) if fate not in (Fate.LIVING, Fate.RESCUED)]
    if not known:
        return []
    here = find(root, records(root)).here if any(fate is Fate.OVER for _, fate in known) else []
    found = []
    for record, fate in known:
        earlier = Earlier(record, fate, [left for left in here if left.run == record.supervisor])
        if not earlier.left:
            run_dir.remove(record.path)
        found.append(earlier)
    return found


def give_up(root: str) -> list[Leftover]:
    """Remove the records of which nothing sure is left; what may be of those runs, and is nobody's to stop now."""
    doubtful = [earlier for earlier in look_back(root) if not any(left.sure for left in earlier.left)]
    for earlier in doubtful:
        run_dir.remove(earlier.record.path)
    return [left for earlier in doubtful for left in earlier.left]


def account(earlier: Earlier) -> str:
    """What became of it, in one line; who of it is alive is another matter."""
    record, fate = earlier.record, earlier.fate
    if fate is Fate.DAMAGED:
        return f"{record.path} cannot be read and is removed: its run is dead, and wrote nothing down (a full disk?)"
    run = f"the run of {moment(record.since)} (pid {_pid(record.front)})"
    if fate is Fate.REBOOTED:
        return f"{run} ended with the machine: nothing of it is left since the reboot"
    if fate is Fate.ELSEWHERE:
        return f"{run} is over; it was in another container, and whether it left anything cannot be seen from here"
    how = record.ending.how if record.ending is not None else "it was killed"
    return f"{run} was cut short: {how}{'' if earlier.left else _outcome(record)}"


def who_lives(left: list[Leftover]) -> str:
    """Those that are alive, and what to do about them, to be put behind the account; empty where nobody is."""
    sure = [each for each in left if each.sure]
    if sure:
        names = [f"{each.dyno.name} pid {each.row.pid} ({process_table.title(each.row.pid)})" for each in sure[:SHOWN]]
        names += [f"{len(sure) - SHOWN} more"] if len(sure) > SHOWN else []
        return f"; still alive: {', '.join(names)}; `procrun doctor --clean` stops {'it' if len(sure) == 1 else 'them'}"
    pids = ", ".join(str(each.row.pid) for each in left)
    return f"; perhaps of it: pid {pids}; `procrun doctor` tells more" if left else ""


def moment(when: float) -> str:
    """Seconds of the epoch as date and time, by the local clock."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _outcome(record: Record) -> str:
    if record.ending is None:
        return "; nothing of it is alive"
    return "; everything it had started was stopped" if record.ending.stopped else "; it had nothing left to stop"


def _pid(identity: str) -> str:
    return identity.partition("-")[0]


def leftover_table(left: Sequence[Leftover]) -> str:
    """What earlier runs left, as a table for people."""
    cells = [
        (
            each.dyno.name,
            each.row.pid,
            moment(process_table.clock(each.row.started)),
            process_table.title(each.row.pid),
            each.how,
        )
        for each in left
    ]
    return table(cells, ("INSTANCE", "PID", "STARTED", "COMMAND", "FOUND BY"))


def leftover_rows(left: Sequence[Leftover]) -> list[dict[str, Any]]:
    """The same for programs: `started` in seconds of the epoch, `run` as in the mark PROCRUN_DYNO."""
    return [
        {
            "name": each.dyno.name,
            "pid": each.row.pid,
            "started": round(process_table.clock(each.row.started), 2),
            "command": process_table.command_line(each.row.pid) or process_table.title(each.row.pid),
            "found_by": each.how,
            "sure": each.sure,
            "run": each.run,
        }
        for each in left
    ]
