"""All instances of one run: names to processes, what ends the run, and what is told to whom."""

import signal
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING, NamedTuple

from procrun.core.events import Event, EventKind
from procrun.core.spec import Spec
from procrun.eventloop.loop import Loop, Timer
from procrun.output.reader import Output
from procrun.output.stdio import Window
from procrun.supervise.dependencies import Dependencies
from procrun.supervise.instance import Above, Instance
from procrun.supervise.last_sweep import LastSweep, MakeSweeper
from procrun.supervise.operation import Operation, Operations
from procrun.supervise.restart_policy import ends_well
from procrun.supervise.surroundings import Surroundings
from procrun.system.host import process_signals
from procrun.system.process_tree import Family
from procrun.system.signals import exit_status

if TYPE_CHECKING:  # imported where somebody is asked, and where something is left at the end
    from procrun.core.run_dir import Kept
    from procrun.eventloop.worker import Occasional
    from procrun.health.readiness import Questions

Listener = Callable[[Instance, Event], None]
OnEnd = Callable[[str, "Verdict"], None]


TIMED_OUT = 124
"""The exit status of a run that ends since a process hangs time and again, or of which something outlives KILL."""


class Verdict(NamedTuple):
    """How the run ends: with an exit status, or by the signal it was told to stop with; `told` where somebody waits."""

    status: int
    signal: int | None = None
    told: bool = False


class Calls(NamedTuple):
    """What the supervisor calls of the run.

    `listener` hears of everything that happens, and `on_end` why the run should end; it answers by `end`. `window` is
    the size for the terminals of those that have one; `sweeper` makes what stops those that turn out to be nobody's.
    """

    listener: Listener
    on_end: OnEnd
    sweeper: MakeSweeper
    window: Callable[[], Window | None]


class Supervisor:
    """Starts, stops and restarts the instances of the run of this identity, and knows when it is over."""

    def __init__(self, run: str, loop: Loop, output: Output, calls: Calls) -> None:
        self.since = time()
        self.processes: dict[str, Instance] = {}
        self.verdict: Verdict | None = None
        self.family = Family(run)
        self._loop = loop
        self._listener = calls.listener
        self.on_end = calls.on_end
        self.watchers: list[Listener] = []
        self._settling: Timer | None = None
        self._questions: Questions | None = None
        self.kept: set[Kept] = set()
        """The files in the run's folder that are to be there while the run lives."""
        self.dependencies = Dependencies(self.processes)
        self.operations = Operations(self.processes, self.dependencies)
        self._around = Surroundings(loop, self.family, output, calls.window, self._asking, self.kept)
        self._above = Above(self._told, self.dependencies.blockers)
        self._last_sweep = LastSweep(loop, self.family, calls.sweeper)

    # What is asked of it

    def start(self, specs: Iterable[Spec]) -> None:
        """Start these instances, new ones included; nothing once the run is ending."""
        if self.verdict is not None:
            return
        chosen = [self.processes.setdefault(spec.name, Instance(spec, self._around, self._above)) for spec in specs]
        self.dependencies.changed()
        for process in chosen:
            process.start()
            if process.status.finished and process.spec.manners.policy.essential:
                break  # there are no processes, or descriptors, for it: the run is about to end

    def stop(self, processes: Iterable[Instance], budget: float | None, again: bool) -> None:
        """Stop these, stores behind what uses them, by their own sequence or inside `budget`; then start them again?

        A store waits only for dependents that are being stopped in the same operation.
        """
        self._hold(processes, budget, again)
        self.dependencies.release()

    def replace(self, back: Iterable[Instance], gone: Iterable[Instance]) -> None:
        """Stop all of these as one, so that stores are behind what uses them; start those of `back` again."""
        self._hold(gone, None, again=False)
        self._hold(back, None, again=True)
        self.dependencies.release()

    def _hold(self, processes: Iterable[Instance], budget: float | None, again: bool) -> None:
        for process in processes:
            if self.processes.get(process.spec.name) is not process:
                continue  # it was scaled away while a deploy or a rolling restart had yet to come to it
            if process.want(again):
                self.dependencies.hold(process, budget)

    def carry_out(self, operation: Operation, act: Callable[[], object]) -> None:
        """Act, watch over the operation until everything it is about has settled, and let it report."""
        self.operations.begin(operation)
        act()
        self._settle_soon()

    def replan(self, specs: Iterable[Spec]) -> tuple[list[Spec], list[Instance]]:
        """Have instances start by these specs from their next start on; the specs that are new, and what is in none.

        Their order holds at once, for what is in none of them too: with the old order of some it might be a cycle.
        """
        by_name = {spec.name: spec for spec in specs}
        after = {spec.type: spec.manners.after for spec in by_name.values()}
        for name, process in self.processes.items():
            old = process.next_spec
            kept = old._replace(manners=old.manners._replace(after=after.get(old.type, old.manners.after)))
            process.plan_next(by_name.get(name, kept))
        self.dependencies.changed()
        added = [spec for name, spec in by_name.items() if name not in self.processes]
        return added, [process for name, process in self.processes.items() if name not in by_name]

    def remove(self, names: Iterable[str]) -> None:
        """Forget instances that are down: they are no part of the formation any more."""
        for name in names:
            process = self.processes.get(name)
            if process is not None and process.status.over:
                del self.processes[name]
        self.dependencies.changed()
        self._settle_soon()  # a store that is gone for good is waited for no more

    def soon(self, act: Callable[[], None]) -> None:
        """Act once what is event just now has happened: from a listener nothing can be started or stopped."""
        self._loop.after(0, act)

    def end(self, verdict: Verdict) -> None:
        """Stop everything; the first verdict stands."""
        if self.verdict is None:
            self.verdict = verdict
            self.stop(list(self.processes.values()), None, again=False)
            for process in self.processes.values():
                process.stopper.shorten()
            self._check_over()

    def alive(self) -> list[Instance]:
        """The instances of which something is alive."""
        return [process for process in self.processes.values() if not process.status.down]

    @property
    def swept(self) -> list[str]:
        """What had to be stopped at the very end, when every instance was down, for people."""
        return self._last_sweep.told_of

    def hurry(self) -> None:
        """Go one step on in every stop sequence that is under way."""
        for process in list(self.processes.values()):
            process.stopper.hurry()
        self._last_sweep.hurry()

    def freeze(self, number: int) -> None:
        """Pass STOP or CONT on to everything."""
        for process in self.processes.values():
            process.checks.freeze(number == signal.SIGSTOP)
            process.members.signal(number)

    def resize(self) -> None:
        """Our own window has another size: so have theirs."""
        for process in self.processes.values():
            process.console.resize()

    # What happens

    def reap(self) -> None:
        """SIGCHLD: bury the dead, adopted ones too, and see what they left."""
        leaders = {process.members.pid: process for process in self.processes.values() if process.members.pid}
        while (dead := process_signals.dead_child()) is not None:
            pid, end = dead
            process = leaders.get(pid)
            if process is not None:
                process.exited(end)
            elif self._questions is not None and pid in self._questions.ends:
                self._questions.ends.pop(pid)(end)
        self.family.changed()
        for process in list(self.processes.values()):
            process.check_gone()
        self._check_over()

    def aside(self) -> "Occasional":
        """The thread for what may be held up by a process: its command line, its environment, its memory."""
        return self._asking().aside

    def _asking(self) -> "Questions":
        """What all who are asked share."""
        if self._questions is None:
            from procrun.health.readiness import Questions

            self._questions = Questions(self._loop)
        return self._questions

    def _told(self, process: Instance, event: Event) -> None:
        for listener in (self._listener, *self.watchers):
            listener(process, event)
        self.operations.progress(event)
        ended = event.what in (EventKind.EXITED, EventKind.FAILED) and process.status.up
        given_up = event.what == EventKind.GIVEN_UP and process.status.hung
        if (ended or given_up) and process.status.finished and self.verdict is None:
            self._finished(process)
        self._settle_soon()

    def _finished(self, process: Instance) -> None:
        """An essential one ends the run, and so does the last of the others.

        Unless one was stopped by hand, or is started again when a file changes. What was to run once and ends well is
        none of the essential.
        """
        policy = process.spec.manners.policy
        well = not process.status.hung and ends_well(policy, process.last_exit)
        ends = [_status(p) for p in self.processes.values() if p.status.finished]
        if policy.essential and not well:
            self._end_soon(f"{process.spec.name} ended the run", _status(process))
        elif len(ends) == len(self.processes) and not any(p.spec.manners.watch for p in self.processes.values()):
            self._end_soon("everything has ended", next(filter(None, ends), 0))
        elif not well:
            waiting = self.dependencies.waiting(process.spec.type)
            if waiting:
                process.tell(EventKind.BLOCKS, 0.0, ", ".join(waiting))

    def _end_soon(self, why: str, status: int) -> None:
        self._loop.after(0, lambda: self.on_end(why, Verdict(status)))

    def _settle_soon(self) -> None:
        """Not from here: an instance, or an operation, may be in the middle of a change. Once for many changes."""
        if self._settling is None:
            self._settling = self._loop.after(0, self._settle)

    def _settle(self) -> None:
        """Something changed: begin what waited for it, and tell who asked."""
        self._settling = None
        self.dependencies.release()
        for process in list(self.processes.values()):
            process.nudge()
        self.operations.check()
        self._check_over()

    def _check_over(self) -> None:
        """Once every instance is down, what could be told to be nobody's is stopped too: TERM, a budget, KILL."""
        if self.verdict is None or self.alive() or self._loop.stopped:
            return
        spared = {session for process in self.processes.values() for session in process.stopper.spared}
        self._last_sweep.check(spared)


def _status(process: Instance) -> int:
    """The exit status that its end for good means for the run."""
    if process.status.hung or process.last_exit is None:
        return TIMED_OUT
    return exit_status(process.last_exit)
