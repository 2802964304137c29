"""Pipes: their size, and who writes to which."""

import os

from procrun.system.linux.procfs import _descriptors, _link, entry


def output_pipe(pid: int, reader: int) -> str | None:
    """What tells the pipe that `pid` has as its stdout from all others, where `reader` has it open too; else None."""
    link = _link(pid, "fd/1")
    return link if link.startswith("pipe:[") and link in _descriptors(reader) else None


def pipes_written(pid: int) -> dict[int, str]:
    """The inodes of the pipes that `pid` has as stdout and stderr, each with the path by which it can be opened.

    Only the links are read: to look at what they lead to could take for ever, where that is a file on a dead disk.
    """
    found: dict[int, str] = {}
    shown = entry(pid)
    for path in (f"{shown}/fd/1", f"{shown}/fd/2"):
        try:
            link = os.readlink(path)
        except OSError:
            continue
        if link.startswith("pipe:["):
            found[int(link[6:-1])] = path
    return found
