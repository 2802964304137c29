"""The system of this machine, behind the protocols of `interface`."""

from typing import TYPE_CHECKING

from procrun.system.linux import dir_notify, pidfds, procfs
from procrun.system.linux import pipes as _pipes
from procrun.system.linux import signals as _signals
from procrun.system.linux import sockets as _sockets
from procrun.system.linux import subreaper as _subreaper
from procrun.system.linux.disks import may_stand_still
from procrun.system.linux.peer import limit_connect, peer
from procrun.system.linux.poller import Poller

if TYPE_CHECKING:  # they cost a start 2 ms
    from procrun.system.interface import (
        FolderNews,
        Pipes,
        ProcessHandles,
        ProcessSignals,
        ProcessTable,
        Sockets,
        Subreaper,
    )

__all__ = ["Poller", "limit_connect", "may_stand_still", "peer"]

STREAMS = ("/dev/", "/proc/")
"""How the paths of files begin that only stand for an open stream."""

process_table: "ProcessTable" = procfs
process_signals: "ProcessSignals" = _signals
process_handles: "ProcessHandles" = pidfds
sockets: "Sockets" = _sockets
pipes: "Pipes" = _pipes
subreaper: "Subreaper" = _subreaper
folder_news: "FolderNews" = dir_notify
