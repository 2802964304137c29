"""What the benchmarks know of /proc: descendants, command lines, context switches."""

from __future__ import annotations

import ctypes
import os
import signal
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Let everything that a runner leaves behind come to this process, where it is counted and ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> list[int]:
    """The living (no zombies) processes below `root`, parents before their children."""
    below: dict[int, list[int]] = defaultdict(list)
    dead = set()
    for pid, (state, parent) in _everybody().items():
        below[parent].append(pid)
        if state in "ZX":
            dead.add(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        children = below[waiting.pop(0)]
        found += children
        waiting += children
    return [pid for pid in found if pid not in dead]


def zombies(parents: Collection[int]) -> int:
    """How many dead children of these processes have not been reaped."""
    return sum(state == "Z" and parent in parents for state, parent in _everybody().values())


def command_line(pid: int) -> str:
    """The words of the command, with spaces between; empty for a process that is gone."""
    return " ".join(_words(pid, "cmdline"))


def environment(pid: int) -> list[str]:
    """The `NAME=value` strings it was started with; empty for a process that is gone."""
    return _words(pid, "environ")


def kill(pid: int) -> None:
    """End it at once, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def switches(pids: Iterable[int]) -> int:
    """All context switches so far, voluntary or not, of every thread of these processes.

    A process that sleeps has none; each wakeup ends in one.
    """
    total = 0
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches:" in line:
                    total += int(line.rpartition(":")[2])
    return total


def reap() -> None:
    """Collect this process's dead children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _words(pid: int, name: str) -> list[str]:
    try:
        return (PROC / str(pid) / name).read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _everybody() -> dict[int, tuple[str, int]]:
    """State and parent of every process of this machine."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return {pid: status for pid in pids if (status := _stat(pid))}


def _stat(pid: int) -> tuple[str, int] | None:
    """State and parent; None if the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)
