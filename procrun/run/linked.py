"""An app that its user reaches by a symbolic link (`current`), which a deploy moves while the run goes on.

A run leaves a link of its own in the user's folders: its name holds a checksum of the path as the user named it and the
pid of the supervisor, it leads to the folder that the run is in.
"""

import os
from typing import NamedTuple
from zlib import crc32

from procrun.core import run_dir


class Pointer(NamedTuple):
    """A link that a run has left: where it is, the folder of the run, and the pid in the name of its socket."""

    path: str
    root: str
    pid: int


def leave(named: str, root: str) -> list[str]:
    """Leave a link to `root` for who comes by `named`, if that is another path; the links, to be removed at the end."""
    real = os.path.realpath(root)
    if named == real:
        return []
    made = []
    for base in run_dir.own_bases(make=True):
        path = os.path.join(base, f"{_prefix(named)}{os.getpid()}")
        run_dir.remove(path)
        try:
            os.symlink(real, path)
        except OSError:
            continue
        made.append(path)
    return made


def pointers(named: str) -> list[Pointer]:
    """What runs that were started by the path `named` have left in other folders than it leads to now."""
    real = os.path.realpath(named)
    if named == real:
        return []
    found: dict[tuple[str, int], Pointer] = {}
    prefix = _prefix(named)
    for base in run_dir.own_bases():
        for name in os.listdir(base):
            pid = name.removeprefix(prefix)
            if pid != name and pid.isdecimal():
                path = os.path.join(base, name)
                try:
                    root = os.readlink(path)
                except OSError:
                    continue
                if root != real:
                    found.setdefault((root, int(pid)), Pointer(path, root, int(pid)))
    return list(found.values())


def _prefix(named: str) -> str:
    name = os.fsencode(named)
    return f"procrun-{crc32(name):08x}{crc32(name[::-1]):08x}.at-"
