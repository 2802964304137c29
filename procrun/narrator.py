"""Tells the run in the stream: what started, what ended and why, who is still waited for."""

import re
from collections.abc import Callable, Iterable, Sequence

from procrun import proc
from procrun.lifecycle import State
from procrun.loop import Loop, Timer
from procrun.model import Happening
from procrun.plan import port_holder
from procrun.process import Process
from procrun.stopping import describe
from procrun.wording import Timeline, duration, exit_timeout, explain

REMIND_AFTER = 2.0
"""Seconds of a stop after which those still alive are named, and again at the same distance."""

_PORT = re.compile(r"(?<![\w.])(?:-p|--port|--bind|-b|-l)?[= :]*(?:[\w.*]*:)?([1-9][0-9]{1,4})(?![\w.])")


class Narrator:
    """Turns happenings into lines for `say`."""

    def __init__(self, loop: Loop, say: Callable[[str], None]) -> None:
        self.say = say
        self._loop = loop
        self._timeline = Timeline()
        self._reminder: Timer | None = None
        self._stopping: set[Process] = set()

    def hear(self, process: Process, happening: Happening) -> None:
        """Something happened to an instance."""
        line = self._timeline.add(happening)
        name = happening.name
        match happening.what:
            case "started":
                self.say(f"{name} started, pid {happening.pid}, port {process.spec.port}")
            case "exited" if process.state is State.UP:
                self.say(f"{name} ended by itself after {duration(happening.seconds)}: {explain(happening.detail)}")
                self._hint(process)
            case "exited" if process.next_step() and process.alive():
                self.say(f"{name} {explain(happening.detail)}, but some of it is still alive: {_who(process)}")
            case "signal":
                self._wait_for(process)
            case "timeout":
                self.say(f"{name} KILL after {happening.seconds:.2f} s; {exit_timeout(happening.seconds)}")
            case "failed":
                self.say(f"{name} could not be started: {happening.detail}")
            case "stuck":
                self.say(f"{name} is not waited for: {happening.detail}")
        if line:
            self.say(line)

    def ending(self, why: str, up: Sequence[Process]) -> None:
        """Everything of `up` is about to be stopped."""
        names = ", ".join(process.spec.name for process in up)
        budget = max((process.spec.stop_sequence[0].wait for process in up), default=0.0)
        self.say(f"{why}; stopping {names}: TERM now, KILL after {budget:g} s" if up else why)

    def _wait_for(self, process: Process) -> None:
        """Name it every few seconds for as long as it is being stopped."""
        self._stopping.add(process)
        if self._reminder is None:
            self._reminder = self._loop.after(REMIND_AFTER, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        self._stopping = {process for process in self._stopping if process.state is State.STOPPING}
        for process in self._stopping:
            if process.stopping_for() >= REMIND_AFTER and process.next_step():
                self.say(f"still waiting for {process.spec.name}: {_who(process)}; {process.next_step()}")
        if self._stopping:
            self._reminder = self._loop.after(REMIND_AFTER, self._remind)

    def sum_up(self, processes: Iterable[Process]) -> None:
        """The summary at the end."""
        for process in processes:
            self.say(summary(process))

    def _hint(self, process: Process) -> None:
        """Its own PORT, or one in its command, that another process listens on is the likely reason of a crash."""
        if process.last_exit is None or process.last_exit.status == 0:
            return
        listening = proc.listening()
        ports = {process.spec.port, *(int(found) for found in _PORT.findall(process.spec.command))}
        for port in sorted(ports & set(listening)):
            self.say(f"{process.spec.name}: port {port} is taken by {port_holder(listening[port])}")


def _who(process: Process) -> str:
    return ", ".join(f"pid {row.pid} ({proc.title(row.pid)})" for row in process.alive()[:3])


def summary(process: Process) -> str:
    """How it ended, how long it lived, how often it was restarted, and how often it had to be killed."""
    end = describe(process.last_exit) if process.last_exit else "never ran"
    counts = f"restarts {process.restarts}, forced kills {process.forced}"
    return f"{process.spec.name}: {end}, ran {duration(process.lived)}, {counts}"
