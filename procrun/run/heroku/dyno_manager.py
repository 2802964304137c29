"""The dyno manager: watches each instance from its start to its stop, for its port, its memory and its age."""

import os
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from procrun.core.events import Event, EventKind
from procrun.eventloop.loop import Loop, Timer
from procrun.run.heroku.dyno_limits import VASTLY, Boot, Boots, Quota, share
from procrun.run.heroku.log_lines import TOLD, Words
from procrun.supervise.instance import Instance
from procrun.supervise.supervisor import Supervisor

SPREAD = 0.15
"""The part of its period that a cycle may come later: Heroku's 216 minutes of 24 hours."""

OVER = frozenset({EventKind.SIGNAL, EventKind.TIMEOUT, EventKind.EXITED, EventKind.FAILED, EventKind.GONE})
"""Happenings after which there is nothing more to watch for."""


class Watched(NamedTuple):
    """What one instance is watched by, from one start to its end; `boot` only until it is up."""

    boot: Boot | None
    quota: Quota | None
    cycle: Timer | None

    def cancel(self) -> None:
        """Watch no more, whatever was begun."""
        if self.quota is not None:
            self.quota.cancel()
        if self.cycle is not None:
            self.cycle.cancel()


class DynoManager:
    """Hears of everything that happens, has `say` tell it in Heroku's words, and acts as Heroku would.

    `cycle` is after how many seconds an instance is restarted, 0 for never. `words` is False where Heroku's are not
    wanted.
    """

    def __init__(
        self, loop: Loop, supervisor: Supervisor, cycle: float, say: Callable[[str], None], words: bool
    ) -> None:
        self.tells = TOLD if words else frozenset()
        self._loop = loop
        self._supervisor = supervisor
        self._cycle = cycle
        self._say = say
        self._words = Words() if words else None
        self._watched: dict[str, Watched] = {}
        self._boots = Boots(loop)
        self._cycling = ""
        self._due: list[Instance] = []

    def hear(self, process: Instance, event: Event) -> None:
        """Something happened to an instance."""
        if self._words is not None:
            for line in self._words.lines(process, event):
                self._say(line)
        name = event.name
        if event.what in OVER or event.what == EventKind.STARTED:
            self._let_be(process)
        if event.what == EventKind.STARTED:
            self._watched[name] = self._watch(process)
        elif event.what == EventKind.RELOADED and event.pid:
            self._weigh_anew(process)
        if name == self._cycling and _is_through(process, event):
            self._cycle_next()

    def _watch(self, process: Instance) -> Watched:
        spec, manners = process.spec, process.spec.manners
        boot = quota = cycle = None
        if manners.boot_timeout:
            boot = Boot(
                spec.port,
                process.members.alive,
                manners.boot_timeout,
                lambda: process.tell(EventKind.BOUND, monotonic() - process.started, ""),
                lambda others: _boot_timeout(process, others),
            )
            self._boots.add(boot)
        if manners.memory:
            quota = self._quota(process)
        if self._cycle and not manners.store:
            cycle = self._once_in_a_period(process)
        return Watched(boot, quota, cycle)

    def _quota(self, process: Instance) -> Quota:
        aside, memory = self._supervisor.aside(), process.spec.manners.memory
        return Quota(self._loop, aside, memory, process.members.alive, lambda held: self._over(process, held))

    def _weigh_anew(self, process: Instance) -> None:
        """Its quota may be another one, while it runs."""
        watched = self._watched.get(process.spec.name, Watched(None, None, None))
        if watched.quota is not None:
            watched.quota.cancel()
        quota = self._quota(process) if process.spec.manners.memory else None
        self._watched[process.spec.name] = watched._replace(quota=quota)

    def _let_be(self, process: Instance) -> None:
        watched = self._watched.pop(process.spec.name, None)
        if watched is not None:
            watched.cancel()
            if watched.boot is not None:
                self._boots.remove(watched.boot)
        if process in self._due:  # somebody else has restarted it
            self._due.remove(process)

    def _over(self, process: Instance, held: int) -> None:
        """R14 is a warning; R15 is KILL, but never for a store, whose data might not be whole then."""
        manners = process.spec.manners
        vastly = held >= VASTLY * manners.memory and not manners.store
        process.tell(EventKind.MEMORY_KILL if vastly else EventKind.MEMORY, 0.0, share(held, manners.memory))
        if vastly:
            process.crash()

    def _once_in_a_period(self, process: Instance) -> Timer:
        return self._loop.after(_once_in(self._cycle), lambda: self._is_due(process))

    def _is_due(self, process: Instance) -> None:
        """One that is suspended (Ctrl-Z) is left so, and has another period."""
        rows = process.members.alive()
        if rows and all(row.state == "T" for row in rows):
            name = process.spec.name
            self._watched[name] = self._watched[name]._replace(cycle=self._once_in_a_period(process))
            return
        self._due.append(process)
        if not self._cycling:
            self._cycle_next()

    def _cycle_next(self) -> None:
        """One after the other: the next once the last is up again, or has failed to come up."""
        self._cycling = ""
        while self._due and not self._cycling:
            process = self._due.pop(0)
            name = process.spec.name
            if name in self._watched and self._supervisor.verdict is None and process.status.wanted:
                self._cycling = name
                process.tell(EventKind.CYCLING, monotonic() - process.started, "")
                self._supervisor.stop([process], None, again=True)


def _is_through(process: Instance, event: Event) -> bool:
    """Whether a restart has come to its end: it is up again, or it is clear that this will take its time."""
    match event.what:
        case EventKind.RUNNING:
            return not process.spec.manners.boot_timeout
        case EventKind.GONE:
            return not process.status.wanted
        case EventKind.EXITED:
            return process.status.up
    return event.what in (EventKind.BOUND, EventKind.WAITS, EventKind.FAILED)


def _boot_timeout(process: Instance, others: list[int]) -> None:
    """R10: KILL at once, without a TERM before it."""
    elsewhere = f"; it listens on {', '.join(map(str, others))}" if others else ""
    text = f"does not listen on its port {process.spec.port}{elsewhere}"
    process.tell(EventKind.BOOT_TIMEOUT, process.spec.manners.boot_timeout, text)
    process.crash()


def _once_in(period: float) -> float:
    """`period` and up to SPREAD of it more, at random (without the module, which costs 4 ms)."""
    return period * (1 + SPREAD * int.from_bytes(os.urandom(4), "big") / 2**32)
