"""What happened, in words: durations, exits, timelines, and Heroku's own for its errors."""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from procrun.core.spec import STILL_ALIVE


class Happening(NamedTuple):
    """Something that happened to an instance, for the stream, for clients and for the report.

    `what` is one of started, running, exited, signal, timeout (KILL at the budget), gone, failed, crashed (it starts
    again in `seconds`), given-up, left (by its leader), killing (others than its leader), strays (of no instance that
    could be told), stuck, bound (to its port), boot-timeout (not bound in time), memory (above its quota), memory-kill
    (far above it), cycling, waits, ready, unready, done (it was to run once), blocks (it ended, others wait for it),
    hung, unwatched (its watchdog has not begun), recognised (its processes show its program); `detail` says more: the
    signal's name, the exit, the error. `seconds`
    counts from the first signal of a stop sequence (for `exited` and `gone` outside of one: from the start of the
    process).
    """

    name: str
    what: str
    seconds: float
    detail: str
    pid: int


INSTEAD = ", not on its "
"""In what showed that an instance is ready: `port 9090, not on its PORT 5000`."""

NOT_RUN = NOT_FOUND, NOT_EXECUTABLE = "exit 127", "exit 126"


def plan_changed(root: str, files: Iterable[str]) -> str:
    """What is told of files that the plan was read from, by their names from the app's folder."""
    names = ", ".join(os.path.relpath(file, root) for file in files)
    return f"{names} changed; `procrun reload` restarts only what changed"


def duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def exit_timeout(seconds: float) -> str:
    """Heroku's own words for a process that needed KILL (its log since 2020)."""
    limit = f"{round(seconds, 1):g}"
    return f"Error R12 (Exit timeout) -> At least one process failed to exit within {limit} seconds of SIGTERM"


def boot_timeout(seconds: float) -> str:
    """Heroku's own words for a web process that does not listen on its port."""
    return f"Error R10 (Boot timeout) -> Web process failed to bind to $PORT within {seconds:g} seconds of launch"


RUNNING = "Process running mem="
R14 = "Error R14 (Memory quota exceeded)"
R15 = "Error R15 (Memory quota vastly exceeded)"
"""Heroku's own words for a process that needs more memory than it has, and far more."""


def step(happening: Happening) -> str:
    """One step in a timeline, behind its time and name."""
    tell = _STEPS.get(happening.what)
    return tell(happening) if tell is not None else happening.what


def as_event(happening: Happening, restarts: int) -> Happening:
    """The same for who watches from outside: a start that is not the first one is a restart."""
    return happening._replace(what="restarted") if happening.what == "started" and restarts else happening


def explain(exit_: str) -> str:
    """An exit for people: a shell's 127 and 126 say what was wrong."""
    reasons = {NOT_FOUND: "command not found", NOT_EXECUTABLE: "command not executable"}
    return f"{exit_} ({reasons[exit_]})" if exit_ in reasons else exit_


def _gone(happening: Happening) -> str:
    how = "given up" if happening.detail == STILL_ALIVE else "gone"
    return f"{how} {happening.seconds:.2f} s after its first signal" if happening.seconds else how


def _again(happening: Happening) -> str:
    """What ended has no pid any more."""
    return "hangs" if happening.pid else "ended"


_STEPS: dict[str, Callable[[Happening], str]] = {
    "started": lambda h: f"started, pid {h.pid}",
    "restarted": lambda h: f"started again, pid {h.pid}",
    "signal": lambda h: h.detail,
    "timeout": lambda h: f"{h.detail}: {exit_timeout(h.seconds)}",
    "exited": lambda h: explain(h.detail),
    "gone": lambda h: _gone(h),
    "crashed": lambda h: f"starts again in {duration(h.seconds)}",
    "given-up": lambda h: f"is given up: restarted {h.detail} times in {h.seconds:g} s, and {_again(h)} again",
    "unwatched": lambda h: (
        f"has sent no READY=1 and no WATCHDOG=1 in {h.seconds:g} s; with its first one its watchdog begins"
    ),
    "hung": lambda h: f"hangs: {h.detail}",
    "waits": lambda h: f"waits for {h.detail}",
    "quiet": lambda h: f"{h.detail}: takes no new work",
    "ready": lambda h: (
        f"ready after {h.seconds:.2f} s" + (f"; it listens on {h.detail}" if INSTEAD in h.detail else "")
    ),
    "unready": lambda h: f"is not ready after {round(h.seconds, 1):g} s: {h.detail}",
    "done": lambda h: f"done after {duration(h.seconds)}",
    "blocks": lambda h: f"has ended, so these never start: {h.detail}; `procrun restart {h.name}` runs it again",
    "failed": lambda h: f"could not be started: {h.detail}",
    "left": lambda h: f"left behind by its leader: {h.detail}",
    "killing": lambda h: f"beyond its leader has to be killed: {h.detail}",
    "strays": lambda h: f"is gone; whose these are cannot be told, they end with the run: {h.detail}",
    "stuck": lambda h: f"is not waited for: {h.detail}",
    "bound": lambda h: f"listens on its port after {h.seconds:.2f} s",
    "boot-timeout": lambda h: f"{h.detail}; KILL after {h.seconds:g} s (R10)",
    "memory": lambda h: f"{RUNNING}{h.detail}; {R14}",
    "memory-kill": lambda h: f"{RUNNING}{h.detail}; {R15}; KILL",
    "cycling": lambda h: "is restarted, as it has run for its period",
    "reloaded": lambda h: "goes on, with other manners",
    "recognised": lambda h: f"runs {h.detail}",
}
"""What is said of each happening; of any other its own name."""


class Timeline:
    """Collects the steps of each stop: `worker.1 TERM 0.00 → KILL 10.00 → gone 10.01 s (killed by KILL)`."""

    def __init__(self) -> None:
        self._steps: dict[str, list[str]] = {}

    def add(self, happening: Happening) -> str | None:
        """Note a step; the whole line once nothing is left, None before and where nothing was signalled."""
        if happening.what in ("signal", "timeout"):
            steps = self._steps.setdefault(happening.name, [])
            steps.append(f"{happening.detail} {happening.seconds:.2f}")
        if happening.what != "gone" or happening.name not in self._steps:
            return None
        steps = self._steps.pop(happening.name)
        how = "given up" if happening.detail == STILL_ALIVE else "gone"
        return f"{happening.name} {' → '.join(steps)} → {how} {happening.seconds:.2f} s ({happening.detail})"
