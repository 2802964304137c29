"""What has become of the run of each record in a folder: a pid alone proves nothing, its start time does."""

import os
from enum import Enum

from procrun import ledger, proc, rundir
from procrun.ledger import Record


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
    read = (ledger.read(path) for path in rundir.records(root))
    return [(record, fate(record)) for record in read if record is not None]


def strangers(root: str) -> list[str]:
    """Records in the folder that are not believed: in a folder, or of a user, that is not ours."""
    own = {record.path for record, _ in records(root)}
    return [path for path in rundir.traces(root, ".run") if path not in own and os.path.lexists(path)]


def fate(record: Record) -> Fate:
    """What has become of its run, as far as can be known here; a start time tells a later process with the same pid."""
    if not record.machine:
        return Fate.LIVING if ledger.held(record.path) else Fate.DAMAGED  # it has just begun to write, perhaps
    here = proc.machine()
    if record.machine.partition("/")[0] != here.partition("/")[0]:
        return Fate.LIVING if ledger.held(record.path) else Fate.REBOOTED  # NFS has locks between machines, too
    if record.machine != here:
        return Fate.LIVING if ledger.held(record.path) else Fate.ELSEWHERE
    if alive(record.supervisor):
        return Fate.LIVING
    return Fate.RESCUED if alive(record.front) else Fate.OVER


def alive(identity: str) -> bool:
    """Whether the process PID-STARTTICKS lives; a zombie does not."""
    row = proc.stat(int(identity.partition("-")[0]))
    return row is not None and row.alive and f"{row.pid}-{row.started}" == identity
