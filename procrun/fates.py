"""What has become of the run of each record in a folder: a pid alone proves nothing, its start time does."""

import os
from enum import Enum

from procrun.core import run_dir
from procrun.recovery import run_record
from procrun.recovery.run_record import Record
from procrun.system.linux import procfs

PROGRAMS = ("python", "pypy", "procrun", procfs.program(os.getpid()))
"""How the program of a front may be called, be it another version than ours."""


class Fate(Enum):
    """What has become of the run of a record."""

    LIVING = "its supervisor lives"
    RESCUED = "its supervisor is dead, and its front stops what it left"
    OVER = "both are dead"
    REBOOTED = "both were on the machine before it was started anew, or on another one"
    ELSEWHERE = "it is in another container"
    DAMAGED = "the record cannot be read"


def records(root: str) -> list[tuple[Record, Fate]]:
    """The records in the folder `root`, oldest first."""
    read = (run_record.read(path) for path in run_dir.records(root))
    believed = [_believed(record) for record in read if record is not None]
    return [(record, fate(record)) for record in believed]


def strangers(root: str) -> list[str]:
    """Records in the folder that are not believed: in a folder, or of a user, that is not ours."""
    own = {record.path for record, _ in records(root)}
    return [path for path in run_dir.traces(root, ".run") if path not in own and os.path.lexists(path)]


def fate(record: Record) -> Fate:
    """What has become of its run, as far as can be known here; a start time tells a later process with the same pid."""
    if not record.machine:
        return Fate.LIVING if run_record.held(record.path) else Fate.DAMAGED  # it has just begun to write, perhaps
    here = procfs.machine()
    if record.machine.partition("/")[0] != here.partition("/")[0]:
        return Fate.LIVING if run_record.held(record.path) else Fate.REBOOTED  # NFS has locks between machines, too
    if record.machine != here:
        return Fate.LIVING if run_record.held(record.path) else Fate.ELSEWHERE
    if alive(record.supervisor):
        return Fate.LIVING
    return Fate.RESCUED if alive(record.front) else Fate.OVER


def _believed(record: Record) -> Record:
    """The record, with the supervisor in the front's place where that is another program.

    procrun 0.1.0 noted its parent as the front. Where the front had been killed before, that was whoever had adopted
    the supervisor: init, or the user's systemd, which never end.
    """
    pid = int((record.front or "0").partition("-")[0])
    if record.machine != procfs.machine() or not alive(record.front):
        return record
    ours = procfs.owner(pid) == os.getuid() and procfs.program(pid).startswith(PROGRAMS)
    return record if ours else record._replace(front=record.supervisor)


def alive(identity: str) -> bool:
    """Whether the process PID-STARTTICKS lives; a zombie does not."""
    row = procfs.stat(int(identity.partition("-")[0]))
    return row is not None and row.alive and f"{row.pid}-{row.started}" == identity
