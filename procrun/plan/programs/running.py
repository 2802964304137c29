"""Which known programs an instance really runs, read from the command lines of its processes.

A command may hide its program behind a pipe, a script or a wrapper; the process table cannot. The reading may block
(proc_pid_cmdline(5) waits while a process holds its memory map), so it is done in a thread and never in the loop.
"""

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from procrun.plan.programs import index, profiles, recognise, wrappers
from procrun.plan.programs.recognise import Recognised
from procrun.system.host import process_table
from procrun.system.types import Stat

_TITLES = {
    r"resque-\d[\d.]*: ": "resque",  # source: worker.rb, procline
    r"\[celeryd: ": "celery",  # source: celery.platforms.set_process_title, where setproctitle is installed
    r"gunicorn: master ": "gunicorn",  # source: util._setproctitle, where setproctitle is installed
    r"nginx: master ": "nginx",  # run, 1.22.1
}
"""What programs call themselves once they have written over their command line, unless the title begins as the command
did (run: `sidekiq 6.4.1 shop [0 of 5 busy]`, `puma 5.6.5 (…)`, `redis-server *:6379`)."""


class Running(NamedTuple):
    """A known program in the process `pid`, which started at `started` (clock ticks since boot).

    `complete` is False where only a title is left of its command line, so that its options are unknown.
    """

    pid: int
    started: int
    known: Recognised
    complete: bool


def look(rows: Iterable[Stat], root: str) -> list[Running]:
    """The known programs among `rows`, which list parents before children. May block.

    Below a program that is found nothing is looked at, as what it has started is its own, unless it manages others.
    """
    found: list[Running] = []
    below: set[int] = set()
    for row in rows:
        running = _program(row, root) if row.ppid not in below else None
        if running is not None:
            found.append(running)
        if (running is not None and not running.known.profile.manager) or row.ppid in below:
            below.add(row.pid)
    return found


def _program(row: Stat, root: str) -> Running | None:
    arguments = process_table.arguments(row.pid)
    title = arguments[0] if " " in arguments[0] and not "".join(arguments[1:]).strip() else ""
    words = title.split() if title else arguments
    profile = next((profiles.named(name) for start, name in _TITLES.items() if re.match(start, title)), None)
    if profile is None and not index.may_be_known(" ".join(words), {}):
        return None
    folder, variables = process_table.folder(row.pid) or root, process_table.environment(row.pid)
    if profile is not None:
        known = Recognised(profile, (profile.name,), {}, variables, os.path.relpath(folder, root))
        return Running(row.pid, row.started, known, complete=False)
    found = recognise.of_process(wrappers.own_program(words), variables, folder, root)
    return Running(row.pid, row.started, found, complete=not title) if found is not None else None
