"""What happened, in words: durations, exits, timelines, and Heroku's own for its errors."""

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple, cast

from procrun.core.spec import STILL_ALIVE


class EventKind(StrEnum):
    """What can happen to an instance; the values are those of JSON and of the control socket."""

    STARTED = "started"
    """A process of it was started."""
    RESTARTED = "restarted"
    """The same, and not for the first time; for those who watch from outside."""
    RUNNING = "running"
    """It has lived for a moment."""
    EXITED = "exited"
    """Its leader ended."""
    SIGNAL = "signal"
    """A signal was sent to it."""
    TIMEOUT = "timeout"
    """KILL was sent at its budget."""
    GONE = "gone"
    """Nothing of it is left."""
    FAILED = "failed"
    """It could not be started."""
    CRASHED = "crashed"
    """It starts again in `seconds`."""
    GIVEN_UP = "given-up"
    """It was restarted too often."""
    LEFT = "left"
    """Its leader left processes behind."""
    KILLING = "killing"
    """Processes beside its leader have to be killed."""
    STRAYS = "strays"
    """Processes are left that could be those of several instances."""
    STUCK = "stuck"
    """A process is not waited for."""
    BOUND = "bound"
    """It listens on its port."""
    BOOT_TIMEOUT = "boot-timeout"
    """It did not listen on its port in time."""
    MEMORY = "memory"
    """It needs more memory than its quota."""
    MEMORY_KILL = "memory-kill"
    """It needs far more, and is killed."""
    CYCLING = "cycling"
    """It is restarted for its age."""
    WAITS = "waits"
    """It waits for what it comes after."""
    QUIET = "quiet"
    """It was told to take no new work."""
    READY = "ready"
    """Its readiness probe passed."""
    UNREADY = "unready"
    """It was not ready in time."""
    DONE = "done"
    """It was to run once, and did."""
    BLOCKS = "blocks"
    """It ended, and others wait for it."""
    HUNG = "hung"
    """It hangs."""
    UNWATCHED = "unwatched"
    """Its watchdog has not begun."""
    RECOGNISED = "recognised"
    """Its processes show which program it runs."""
    RELOADED = "reloaded"
    """It goes on under a changed plan."""
    PLAN = "plan"
    """What a reload will do with it."""


class Event(NamedTuple):
    """Something that happened to an instance, for the stream, for clients and for the report.

    `detail` says more: the signal's name, the exit, the error. `seconds` counts from the first signal of a stop
    sequence; for `exited` and `gone` outside of one from the start of the process.
    """

    name: str
    what: EventKind
    seconds: float
    detail: str
    pid: int


def received(name: str, what: str, seconds: float, detail: str, pid: int) -> Event:
    """The same as a run told it over its socket. A newer one may tell of a kind that is not known here: it is shown."""
    return Event(name, cast(EventKind, what), seconds, detail, pid)


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


def step(event: Event) -> str:
    """One step in a timeline, behind its time and name."""
    tell = _STEPS.get(event.what)
    return tell(event) if tell is not None else event.what


def as_event(event: Event, restarts: int) -> Event:
    """The same for who watches from outside: a start that is not the first one is a restart."""
    return event._replace(what=EventKind.RESTARTED) if event.what == EventKind.STARTED and restarts else event


def explain(exit_: str) -> str:
    """An exit for people: a shell's 127 and 126 say what was wrong."""
    reasons = {NOT_FOUND: "command not found", NOT_EXECUTABLE: "command not executable"}
    return f"{exit_} ({reasons[exit_]})" if exit_ in reasons else exit_


def _gone(event: Event) -> str:
    how = "given up" if event.detail == STILL_ALIVE else "gone"
    return f"{how} {event.seconds:.2f} s after its first signal" if event.seconds else how


def _again(event: Event) -> str:
    """What ended has no pid any more."""
    return "hangs" if event.pid else "ended"


_STEPS: dict[EventKind, Callable[[Event], str]] = {
    EventKind.STARTED: lambda h: f"started, pid {h.pid}",
    EventKind.RESTARTED: lambda h: f"started again, pid {h.pid}",
    EventKind.SIGNAL: lambda h: h.detail,
    EventKind.TIMEOUT: lambda h: f"{h.detail}: {exit_timeout(h.seconds)}",
    EventKind.EXITED: lambda h: explain(h.detail),
    EventKind.GONE: lambda h: _gone(h),
    EventKind.CRASHED: lambda h: f"starts again in {duration(h.seconds)}",
    EventKind.GIVEN_UP: lambda h: f"is given up: restarted {h.detail} times in {h.seconds:g} s, and {_again(h)} again",
    EventKind.UNWATCHED: lambda h: (
        f"has sent no READY=1 and no WATCHDOG=1 in {h.seconds:g} s; with its first one its watchdog begins"
    ),
    EventKind.HUNG: lambda h: f"hangs: {h.detail}",
    EventKind.WAITS: lambda h: f"waits for {h.detail}",
    EventKind.QUIET: lambda h: f"{h.detail}: takes no new work",
    EventKind.READY: lambda h: (
        f"ready after {h.seconds:.2f} s" + (f"; it listens on {h.detail}" if INSTEAD in h.detail else "")
    ),
    EventKind.UNREADY: lambda h: f"is not ready after {round(h.seconds, 1):g} s: {h.detail}",
    EventKind.DONE: lambda h: f"done after {duration(h.seconds)}",
    EventKind.BLOCKS: lambda h: (
        f"has ended, so these never start: {h.detail}; `procrun restart {h.name}` runs it again"
    ),
    EventKind.FAILED: lambda h: f"could not be started: {h.detail}",
    EventKind.LEFT: lambda h: f"left behind by its leader: {h.detail}",
    EventKind.KILLING: lambda h: f"beyond its leader has to be killed: {h.detail}",
    EventKind.STRAYS: lambda h: f"is gone; whose these are cannot be told, they end with the run: {h.detail}",
    EventKind.STUCK: lambda h: f"is not waited for: {h.detail}",
    EventKind.BOUND: lambda h: f"listens on its port after {h.seconds:.2f} s",
    EventKind.BOOT_TIMEOUT: lambda h: f"{h.detail}; KILL after {h.seconds:g} s (R10)",
    EventKind.MEMORY: lambda h: f"{RUNNING}{h.detail}; {R14}",
    EventKind.MEMORY_KILL: lambda h: f"{RUNNING}{h.detail}; {R15}; KILL",
    EventKind.CYCLING: lambda h: "is restarted, as it has run for its period",
    EventKind.RELOADED: lambda h: "goes on, with other manners",
    EventKind.RECOGNISED: lambda h: f"runs {h.detail}",
}
"""What is said of each event; of any other its own name."""


class Timeline:
    """Collects the steps of each stop: `worker.1 TERM 0.00 → KILL 10.00 → gone 10.01 s (killed by KILL)`."""

    def __init__(self) -> None:
        self._steps: dict[str, list[str]] = {}

    def add(self, event: Event) -> str | None:
        """Note a step; the whole line once nothing is left, None before and where nothing was signalled."""
        if event.what in (EventKind.SIGNAL, EventKind.TIMEOUT):
            steps = self._steps.setdefault(event.name, [])
            steps.append(f"{event.detail} {event.seconds:.2f}")
        if event.what != EventKind.GONE or event.name not in self._steps:
            return None
        steps = self._steps.pop(event.name)
        how = "given up" if event.detail == STILL_ALIVE else "gone"
        return f"{event.name} {' → '.join(steps)} → {how} {event.seconds:.2f} s ({event.detail})"
