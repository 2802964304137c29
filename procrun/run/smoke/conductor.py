"""Conducts a smoke run: all ready, then the command or a while, then restarts, then the end; whatever is at fault."""

from collections.abc import Callable, Iterable
from time import monotonic, time
from typing import NamedTuple

from procrun.core.events import Event, EventKind, duration, explain, step
from procrun.core.spec import Spec
from procrun.eventloop.loop import Loop, Timer
from procrun.run.smoke.ports import Ports
from procrun.run.smoke.result import (
    CMD,
    COMMAND,
    CRASH,
    FORCED,
    LEFT,
    LOG,
    SLOW,
    UNREADY,
    Command,
    Fault,
    Outcome,
    Result,
)
from procrun.supervise.instance import Instance
from procrun.supervise.restart_policy import ends_well
from procrun.supervise.supervisor import Supervisor
from procrun.system.host import process_table
from procrun.system.signals import ENDING, describe, exit_status
from procrun.system.types import Exit

Step = Callable[[], None]


class Asked(NamedTuple):
    """What is to be done: seconds in which all must be ready, the command or seconds to stay up, rounds of restarts."""

    within: float
    stay: float
    restarts: int
    command: Spec | None
    patterns: tuple[str, ...]


class Around(NamedTuple):
    """What the run offers: `end` stops everything, `say` tells people, `written` has the last lines of an instance."""

    loop: Loop
    supervisor: Supervisor
    end: Callable[[str], None]
    say: Callable[[str], None]
    written: Callable[[str], list[str]]


class Conductor:
    """Goes from step to step as the instances of `specs` tell what happens to them, and keeps what is at fault."""

    def __init__(self, asked: Asked, specs: Iterable[Spec], around: Around) -> None:
        self.faults: list[Fault] = []
        self._asked = asked
        self._around = around
        self._outcomes = {spec.name: Outcome(spec.name, spec.command) for spec in specs}
        self._ports = Ports(specs)
        self._command = Command(asked.command.command) if asked.command is not None else None
        self._awaiting: Step | None = None
        self._goals: dict[str, int] = {}
        self._unready: set[str] = set()
        self._deadline: Timer | None = None
        self._round = 0
        self._over = False
        self._began, self._from = time(), monotonic()
        self._ready_after: float | None = None
        around.supervisor.watchers.append(self._hear)

    def begin(self) -> None:
        """Everything has been started: wait until all of it is ready."""
        self._await_ready(self._all_ready)

    def found_in_log(self, pattern: str, name: str, text: str, lines: list[str]) -> None:
        """A line that should not be there; what is being done goes on."""
        self._blame(Fault(LOG, name, text, lines, pattern))

    def conclude(self) -> Result:
        """Everything is stopped: see what is left, and how it all was."""
        supervisor = self._around.supervisor
        for text in supervisor.swept:
            self._blame(Fault(LEFT, "", f"had to be stopped at the end: {text}"))
        for name, port, holder in self._ports.still_open():
            self._blame(Fault(LEFT, name, f"port {port} of {name} is still open at the end, by {holder}"))
        for name, outcome in self._outcomes.items():
            process = supervisor.processes.get(name)
            if process is not None and process.ended:
                self._outcomes[name] = outcome._replace(restarts=process.restarts, ended=process.ended)
        return Result(
            faults=tuple(self.faults),
            outcomes=tuple(self._outcomes.values()),
            command=self._command,
            patterns=self._asked.patterns,
            restarts=self._asked.restarts,
            began=self._began,
            seconds=monotonic() - self._from,
            ready_after=self._ready_after,
        )

    # The steps

    def _await_ready(self, then: Step) -> None:
        self._awaiting = then
        for process in self._app():
            self._note(process)
        within = self._asked.within
        self._deadline = self._around.loop.after(within, self._too_late)
        self._go_on()

    def _go_on(self) -> None:
        """Something happened: if that was the last that this step waits for, the next one is due."""
        then = self._awaiting
        if then is not None and not self._ending and not self._unready:
            self._cease_to_wait()
            self._around.loop.after(0, lambda: None if self._ending else then())  # not in the middle of a change

    def _cease_to_wait(self) -> None:
        self._awaiting = None
        if self._deadline is not None:
            self._deadline.cancel()

    def _all_ready(self) -> None:
        self._look()
        self._ready_after = monotonic() - self._from
        command = self._asked.command
        self._around.say(f"everything is ready after {duration(self._ready_after)}")
        if command is not None:
            self._around.supervisor.start([command])
        else:
            self._around.say(f"staying up for {duration(self._asked.stay)}")
            self._around.loop.after(self._asked.stay, self._next_round)

    def _next_round(self) -> None:
        """Restart everything once more, if that is still to be done."""
        if self._ending:
            return
        self._look()
        if self._round == self._asked.restarts:
            self._end("all is done")
            return
        self._round += 1
        self._around.say(f"restart {self._round} of {self._asked.restarts}")
        up = [process for process in self._app() if process.status.up]
        self._goals = {process.spec.name: process.restarts + 1 for process in up}
        self._around.supervisor.stop(up, None, again=True)
        self._await_ready(self._next_round)

    def _end(self, why: str) -> None:
        self._over = True
        self._cease_to_wait()
        self._around.loop.after(0, lambda: self._around.end(why))

    def _look(self) -> None:
        """See where everybody listens, and how much memory they have had, while they are there."""
        processes = {process.spec.name: [row.pid for row in process.members.alive()] for process in self._app()}
        for name, pids in processes.items():
            outcome = self._outcomes[name]
            memory = max(outcome.memory, sum(map(process_table.peak_memory, pids)))
            self._outcomes[name] = outcome._replace(memory=memory)
        self._ports.look(processes)

    # What happens

    def _hear(self, process: Instance, event: Event) -> None:
        if process.spec is self._asked.command:
            self._hear_command(process, event)
            return
        outcome = self._outcomes[event.name]
        if (
            event.what in (EventKind.RUNNING, EventKind.READY, EventKind.DONE)
            and process.status.ready
            and outcome.ready_after is None
        ):
            outcome = outcome._replace(ready_after=event.seconds)
        elif event.what == EventKind.GONE and event.seconds:
            slowest = max(outcome.slowest_stop or 0.0, event.seconds)
            outcome = outcome._replace(slowest_stop=slowest, stops=outcome.stops + 1)
        self._outcomes[event.name] = outcome
        self._judge(process, event)
        self._note(process)
        self._go_on()

    def _judge(self, process: Instance, event: Event) -> None:
        name = event.name
        if event.what in (EventKind.FAILED, EventKind.HUNG):
            self._fatal(Fault(CRASH, name, f"{name} {step(event)}", self._around.written(name)))
        elif event.what == EventKind.EXITED and _by_itself(process):
            after = f"after {duration(event.seconds)}: {explain(event.detail)}"
            self._fatal(Fault(CRASH, name, f"{name} ended by itself {after}", self._around.written(name)))
        elif event.what == EventKind.UNREADY:
            self._fatal(Fault(UNREADY, name, f"{name} {step(event)}", self._around.written(name)))
        elif _was_killed(process, event):
            slow = self._round > 0 and not self._ending
            what = f"to be restarted (round {self._round})" if slow else "to be stopped"
            text = f"{name} had to be killed {what}, {duration(event.seconds)} after its first signal"
            self._blame(Fault(SLOW if slow else FORCED, name, text, self._around.written(name)))
        elif event.what == EventKind.STUCK:
            self._blame(Fault(LEFT, name, f"{name} {step(event)}"))

    def _hear_command(self, process: Instance, event: Event) -> None:
        """The command ended by itself, or is being stopped because of something else, which is no fault of its."""
        assert self._command is not None
        by_itself = event.what in (EventKind.EXITED, EventKind.FAILED) and process.status.up and not self._ending
        if by_itself and process.last_exit is not None:
            ended, status = explain(describe(process.last_exit)), exit_status(process.last_exit)
            self._command = self._command._replace(ended=ended, status=status, seconds=process.lived)
            if process.last_exit != Exit(0, None):
                text = f"{self._command.line}: {ended}, after {duration(process.lived)}"
                self._fatal(Fault(COMMAND, CMD, text, self._around.written(CMD)))
        elif event.what == EventKind.GONE:
            if self._ending:
                self._command = self._command._replace(ended=self._command.ended or f"{process.ended} (stopped)")
            else:
                self._around.loop.after(0, self._next_round)

    def _too_late(self) -> None:
        """The time in which everything had to be ready is over."""
        for name in () if self._ending else sorted(self._unready):
            text = f"{name} was not ready within {duration(self._asked.within)}"
            self._fatal(Fault(UNREADY, name, text, self._around.written(name)))

    def _fatal(self, fault: Fault) -> None:
        """Nothing more is worth while: it all is stopped."""
        self._blame(fault)
        if not self._ending:
            self._end(f"{fault.name} ended the run" if fault.kind in (CRASH, COMMAND) else fault.text)

    def _blame(self, fault: Fault) -> None:
        self.faults.append(fault)

    # What is

    @property
    def _ending(self) -> bool:
        return self._over or self._around.supervisor.verdict is not None

    def _app(self) -> list[Instance]:
        return [p for name, p in self._around.supervisor.processes.items() if name in self._outcomes]

    def _note(self, process: Instance) -> None:
        """Whether it is ready, and has been restarted if it was to be: kept, so that a thousand need not be asked."""
        name = process.spec.name
        if process.status.ready and process.restarts >= self._goals.get(name, 0):
            self._unready.discard(name)
        else:
            self._unready.add(name)


def _by_itself(process: Instance) -> bool:
    """Whether nobody wanted the end that it has just come to; a store that waits for its users may end before them."""
    if ends_well(process.spec.manners.policy, process.last_exit):
        return False
    return process.status.ended_by_itself


def _was_killed(process: Instance, event: Event) -> bool:
    """Whether that was a KILL at the end of a budget. Where somebody is impatient it is no `timeout`, except that a
    stop sequence which begins with a quiet signal knows no other word for it.
    """
    quiet_first = process.manners.stop_sequence[0].signal not in ENDING
    return event.what == EventKind.TIMEOUT or (
        event.what == EventKind.SIGNAL and event.detail == "KILL" and quiet_first
    )
