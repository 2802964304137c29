"""Tells the run in the stream: what started, what ended and why, who is still waited for."""

import itertools
import re  # compiles a pattern when it is first used, most of them never
from collections.abc import Callable, Iterable, Mapping, Sequence

from procrun.core.events import NOT_RUN, Event, EventKind, Timeline, duration, exit_timeout, explain, step
from procrun.core.spec import Step
from procrun.eventloop.loop import Loop, Timer
from procrun.plan.preflight import port_holder
from procrun.supervise.instance import Instance
from procrun.supervise.restart_policy import ends_well
from procrun.system.host import process_handles, process_table, sockets
from procrun.system.signals import signal_name

REMIND_AFTER = 2.0
"""Seconds of a stop after which those still alive are named, and again at the same distance."""

_PORT = r"(?<![\w.])(?:-p|--port|--bind|-b|-l)?[= :]*(?:[\w.*]*:)?([1-9][0-9]{1,4})(?![\w.])"


class Narrator:
    """Turns happenings into lines for `say`."""

    def __init__(self, loop: Loop, say: Callable[[str], None]) -> None:
        self.say = say
        self._loop = loop
        self._timeline = Timeline()
        self._reminder: Timer | None = None
        self._stopping: set[Instance] = set()
        self._signals_told = False
        self.why_not_run: Mapping[str, str] = {}
        """For each process type whose program could not be run when the run began, why not."""
        self.told_elsewhere: frozenset[str] = frozenset()
        """Happenings of a dyno that are told in Heroku's words, and need no others."""

    def hear(self, process: Instance, event: Event) -> None:
        """Something happened to an instance."""
        name = event.name
        line = self._timeline.add(event)
        dyno = process.spec.manners.dyno
        if event.what in (EventKind.SIGNAL, EventKind.TIMEOUT):
            self._tell_of_signals()
        match event.what:
            case what if dyno and what in self.told_elsewhere:
                pass
            case EventKind.EXITED:
                self._exited(process, event)
            case EventKind.SIGNAL:
                self._wait_for(process)
            case EventKind.TIMEOUT:
                cost = "this store had no time to end well; look after its data" if process.manners.store else ""
                self.say(f"{name} KILL after {event.seconds:.2f} s; {cost or exit_timeout(event.seconds)}")
            case EventKind.STARTED:
                port = process.spec.port
                self.say(f"{name} {step(event)}{f', port {port}' if port else ''}")
            case (
                EventKind.WAITS
                | EventKind.READY
                | EventKind.UNREADY
                | EventKind.DONE
                | EventKind.QUIET
                | EventKind.FAILED
                | EventKind.STUCK
                | EventKind.CRASHED
                | EventKind.GIVEN_UP
            ):
                self.say(f"{name} {step(event)}")
            case EventKind.BOOT_TIMEOUT | EventKind.MEMORY | EventKind.MEMORY_KILL | EventKind.CYCLING:
                self.say(f"{name} {step(event)}")
            case EventKind.HUNG:
                then = "restarting" if process.status.wanted else "stopping"
                self.say(f"{name} {step(event)}; {then}: {_sequence(process.manners.stop_sequence)}")
            case EventKind.LEFT | EventKind.KILLING | EventKind.STRAYS | EventKind.BLOCKS | EventKind.UNWATCHED:
                self.say(f"{name} {step(event)}")
        if line:
            self.say(line)

    def _tell_of_signals(self) -> None:
        """Once in a run, where the system cannot promise that a signal hits the process it is meant for."""
        if not self._signals_told and process_handles.refusal():
            self.say(process_handles.warning())
        self._signals_told = True

    def _exited(self, process: Instance, event: Event) -> None:
        name, how = event.name, explain(event.detail)
        if process.status.up and not ends_well(process.spec.manners.policy, process.last_exit):
            self.say(f"{name} ended by itself after {duration(event.seconds)}: {how}")
            if event.detail in NOT_RUN and process.spec.type in self.why_not_run:
                self.say(f"{name}: {self.why_not_run[process.spec.type]}")
            self._hint(process)

    def ending(self, why: str, up: Sequence[Instance]) -> None:
        """Everything of `up` is about to be stopped, stores behind what uses them."""
        first = [process for process in up if not process.manners.store]
        stores = [process for process in up if process.manners.store]
        parts = [_plan(processes) for processes in (first, stores) if processes]
        self.say(f"{why}; stopping {', then '.join(parts)}" if parts else why)

    def _wait_for(self, process: Instance) -> None:
        """Name it every few seconds for as long as it is being stopped."""
        self._stopping.add(process)
        if self._reminder is None:
            self._reminder = self._loop.after(REMIND_AFTER, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        self._stopping = {process for process in self._stopping if process.status.stopping}
        for process in self._stopping:
            alive, coming = process.members.alive(), process.stopper.coming()
            # Nobody may be left although its end was not heard yet.
            if process.stopper.elapsed >= REMIND_AFTER and coming and alive:
                self.say(f"still waiting for {process.spec.name}: {process_table.named(alive)}; {coming}")
        if self._stopping:
            self._reminder = self._loop.after(REMIND_AFTER, self._remind)

    def sum_up(self, processes: Iterable[Instance]) -> None:
        """The summary at the end."""
        for process in processes:
            self.say(summary(process))

    def _hint(self, process: Instance) -> None:
        """Its own PORT, or one in its command, that another process listens on is the likely reason of a crash."""
        if process.last_exit is None or process.last_exit.status == 0:
            return
        listening = sockets.listening()
        ports = {process.spec.port, *(int(found) for found in re.compile(_PORT).findall(process.spec.command))}
        for port in sorted(ports & set(listening)):
            self.say(f"{process.spec.name}: port {port} is taken by {port_holder(listening[port])}")


def _plan(processes: Sequence[Instance]) -> str:
    """`web.1, worker.1: TERM now, KILL after 10 s`, told once for those that are stopped alike."""
    alike: dict[tuple[Step, ...], list[str]] = {}
    for process in processes:
        alike.setdefault(process.manners.stop_sequence, []).append(process.spec.name)
    return ", ".join(f"{', '.join(names)}: {_sequence(steps)}" for steps, names in alike.items())


def _sequence(steps: tuple[Step, ...]) -> str:
    """`TERM now, KILL after 10 s`."""
    text, waited = f"{signal_name(steps[0].signal)} now", 0.0
    for before, step_ in itertools.pairwise(steps):
        waited += before.wait
        text += f", {signal_name(step_.signal)} after {waited:g} s"
    return text


def summary(process: Instance) -> str:
    """How it ended, how long it lived, how often it was restarted, and how often it had to be killed."""
    end = process.ended or "never ran"
    counts = f"restarts {process.restarts}, forced kills {process.stopper.forced}"
    return f"{process.spec.name}: {end}, ran {duration(process.lived)}, {counts}"
