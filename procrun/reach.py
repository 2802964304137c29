"""Whom a signal to an instance goes to: everything of it, or its main process alone."""

import signal
from collections.abc import Sequence

from procrun import proc
from procrun.model import Stat

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})
"""Signals that ask to end; CONT follows them, since a stopped process cannot die (as systemd, runit and s6 do)."""

HARMLESS = frozenset({signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
"""Signals whose default action is to do nothing, or to go on (signal(7))."""

EVERYBODYS = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT})
"""Signals that go to everything of an instance, whatever it is."""


def reach(number: int, leader: int, everybody: Sequence[Stat], main_only: bool) -> list[Stat]:
    """Those of `everybody` that signal `number` goes to.

    KILL, STOP and CONT go to all; TERM, INT, QUIT and HUP too, unless the program wants them for its main process
    alone (celery's and dramatiq's children die of them: measured); quiet and diagnostic ones go to the main process.
    """
    if number in EVERYBODYS or (number in STOPPING and not main_only):
        return list(everybody)
    main = main_process(number, leader, everybody)
    if main is not None:
        return [main]
    return list(everybody) if number in STOPPING else []


def main_process(number: int, leader: int, everybody: Sequence[Stat]) -> Stat | None:
    """The one that catches signal `number`: the leader, or down the chain of single children from it.

    `uv run`, `npm run` and shells stand before the program and do not pass signals on. None where nobody does.
    """
    at = next((row for row in everybody if row.pid == leader), None)
    while at is not None and not proc.catches(at.pid, number):
        children = [row for row in everybody if row.ppid == at.pid]
        at = children[0] if len(children) == 1 else None
    return at
