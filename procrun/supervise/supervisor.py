"""All instances of one run: names to processes, what ends the run, and what is told to whom."""

import os
from collections.abc import Callable, Collection, Iterable
from time import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from procrun.core.dependencies import ranks
from procrun.core.events import EventKind, Happening
from procrun.core.spec import Spec
from procrun.eventloop.loop import Loop, Timer
from procrun.output.reader import Output
from procrun.output.stdio import Window
from procrun.supervise.instance import Instance, Surroundings
from procrun.supervise.operation import Errand
from procrun.supervise.restart_policy import ends_well
from procrun.supervise.state_machine import State
from procrun.system.process_tree import Family
from procrun.system.signals import exit_status
from procrun.system.types import Exit

if TYPE_CHECKING:  # imported where somebody is asked, and where something is left at the end
    from procrun.core.run_dir import Kept
    from procrun.eventloop.worker import Occasional
    from procrun.health.readiness import Questions

Listener = Callable[[Instance, Happening], None]
OnEnd = Callable[[str, "Verdict"], None]


TIMED_OUT = 124
"""The exit status of a run that ends since a process hangs time and again, or of which something outlives KILL."""


class Verdict(NamedTuple):
    """How the run ends: with an exit status, or by the signal it was told to stop with; `told` where somebody waits."""

    status: int
    signal: int | None = None
    told: bool = False


class Sweeper(Protocol):
    """Stops processes of a run that belong to no instance; `told_of` says which, for people."""

    told_of: list[str]

    def hurry(self) -> None:
        """Send KILL now."""

    def check(self, why: str) -> None:
        """Stop what is left, as `why` says; looked at again whenever a process has ended."""


MakeSweeper = Callable[[Loop, Family, Callable[[], None], Collection[int]], Sweeper]
"""Makes a sweeper that calls its third argument once nothing is left, and spares these sessions."""


class Supervisor:
    """Starts, stops and restarts instances, and knows when the run is over.

    `listener` hears of everything that happens, and `on_end` why the run should end; it answers by `end`. `window` is
    the size for the terminals of those that have one; `sweeper` makes what stops those that turn out to be nobody's.
    """

    def __init__(
        self,
        run: str,
        loop: Loop,
        output: Output,
        listener: Listener,
        on_end: OnEnd,
        sweeper: "MakeSweeper",
        window: Callable[[], Window | None] = lambda: None,
    ) -> None:
        self.since = time()
        self.processes: dict[str, Instance] = {}
        self.verdict: Verdict | None = None
        self.family = Family(run)
        self._loop = loop
        self._listener = listener
        self.on_end = on_end
        self.watchers: list[Listener] = []
        self._errands: list[Errand] = []
        self._settling: Timer | None = None
        self._questions: Questions | None = None
        self.kept: set[Kept] = set()
        """The files in the run's folder that are to be there while the run lives."""
        tell, blockers, asking = self._told, self.blockers, self._asking
        self._around = Surroundings(loop, self.family, output, tell, blockers, window, asking, set(), self.kept)
        self._held: dict[str, float | None] = {}
        self._ordered: _Order | None = None
        self._make_sweeper = sweeper
        self._strays: Sweeper | None = None

    # What is asked of it

    def start(self, specs: Iterable[Spec]) -> None:
        """Start these instances, new ones included; nothing once the run is ending."""
        if self.verdict is not None:
            return
        chosen = [self.processes.setdefault(spec.name, Instance(spec, self._around)) for spec in specs]
        self._ordered = None
        for process in chosen:
            process.start()
            if process.finished and process.spec.manners.policy.essential:
                break  # there are no processes, or descriptors, for it: the run is about to end

    def stop(self, processes: Iterable[Instance], budget: float | None, again: bool) -> None:
        """Stop these, stores behind what uses them, by their own sequence or inside `budget`; then start them again?

        A store that is stopped alone is stopped at once: only who is being stopped with it is waited for.
        """
        self._hold(processes, budget, again)
        self._release()

    def replace(self, back: Iterable[Instance], gone: Iterable[Instance]) -> None:
        """Stop all of these as one, so that stores are behind what uses them; start those of `back` again."""
        self._hold(gone, None, again=False)
        self._hold(back, None, again=True)
        self._release()

    def _hold(self, processes: Iterable[Instance], budget: float | None, again: bool) -> None:
        for process in processes:
            if self.processes.get(process.spec.name) is not process:
                continue  # it was scaled away while a deploy or a rolling restart had yet to come to it
            process.wanted = again
            if process.state is State.UP:
                self._held.setdefault(process.spec.name, budget)
            elif again:
                process.start()
            else:
                process.finished = False  # from here on it is down since somebody wants it so

    def carry_out(self, errand: "Errand", act: Callable[[], object]) -> None:
        """Act, watch over the errand until everything it is about has settled, and let it report."""
        self._errands.append(errand)
        act()
        self._settle_soon()

    def forget(self, errand: "Errand") -> None:
        """The client of this errand has gone."""
        if errand in self._errands:
            self._errands.remove(errand)

    def replan(self, specs: Iterable[Spec]) -> tuple[list[Spec], list[Instance]]:
        """Have instances start by these specs from their next start on; the specs that are new, and what is in none.

        Their order holds at once, for what is in none of them too: with the old order of some it might be a cycle.
        """
        by_name = {spec.name: spec for spec in specs}
        after = {spec.type: spec.manners.after for spec in by_name.values()}
        for name, process in self.processes.items():
            old = process.next_spec
            kept = old._replace(manners=old.manners._replace(after=after.get(old.type, old.manners.after)))
            process.next_spec = by_name.get(name, kept)
        self._ordered = None
        added = [spec for name, spec in by_name.items() if name not in self.processes]
        return added, [process for name, process in self.processes.items() if name not in by_name]

    def found_store(self, store: Instance) -> None:
        """It turned out to be a store: whatever is no store starts after it and stops before it from here on.

        Unless it starts after another type itself: that order was asked for, and a cycle would start nothing.
        """
        if not store.after:
            self._around.late_stores.add(store.spec.type)
            self._ordered = None

    def remove(self, names: Iterable[str]) -> None:
        """Forget instances that are down: they are no part of the formation any more."""
        for name in names:
            process = self.processes.get(name)
            if process is not None and process.state is State.DOWN and not process.wanted:
                del self.processes[name]
        self._ordered = None
        self._settle_soon()  # a store that is gone for good is waited for no more

    def soon(self, act: Callable[[], None]) -> None:
        """Act once what is happening just now has happened: from a listener nothing can be started or stopped."""
        self._loop.after(0, act)

    def end(self, verdict: Verdict) -> None:
        """Stop everything; the first verdict stands."""
        if self.verdict is None:
            self.verdict = verdict
            self.stop(list(self.processes.values()), None, again=False)
            for process in self.processes.values():
                process.shorten()
            self._check_over()

    def alive(self) -> list[Instance]:
        """The instances of which something is alive."""
        return [process for process in self.processes.values() if process.state is not State.DOWN]

    @property
    def swept(self) -> list[str]:
        """What had to be stopped at the very end, when every instance was down, for people."""
        return self._strays.told_of if self._strays is not None else []

    def hurry(self) -> None:
        """Go one step on in every stop sequence that is under way."""
        for process in list(self.processes.values()):
            process.hurry()
        if self._strays is not None:
            self._strays.hurry()

    def freeze(self, number: int) -> None:
        """Pass STOP or CONT on to everything."""
        for process in self.processes.values():
            process.freeze(number)

    def resize(self) -> None:
        """Our own window has another size: so have theirs."""
        for process in self.processes.values():
            process.console.resize()

    # What happens

    def reap(self) -> None:
        """SIGCHLD: bury the dead, adopted ones too, and see what they left."""
        leaders = {process.pid: process for process in self.processes.values() if process.pid}
        while (info := _dead_child()) is not None:
            process = leaders.get(info.si_pid)
            if process is not None:
                process.exited(_exit(info))
            elif self._questions is not None and info.si_pid in self._questions.ends:
                self._questions.ends.pop(info.si_pid)(_exit(info))
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

    def _told(self, process: Instance, happening: Happening) -> None:
        for listener in (self._listener, *self.watchers):
            listener(process, happening)
        for errand in list(self._errands):
            if happening.name in errand.names:
                errand.progress(happening)
        ended = happening.what in (EventKind.EXITED, EventKind.FAILED) and process.state is State.UP
        given_up = happening.what == EventKind.GIVEN_UP and process.hung
        if (ended or given_up) and process.finished and self.verdict is None:
            self._finished(process)
        self._settle_soon()

    def _finished(self, process: Instance) -> None:
        """An essential one ends the run, and so does the last of the others.

        Unless one was stopped by hand, or is started again when a file changes. What was to run once and ends well is
        none of the essential.
        """
        policy = process.spec.manners.policy
        well = not process.hung and ends_well(policy, process.last_exit)
        ends = [_status(p) for p in self.processes.values() if p.finished]
        if policy.essential and not well:
            self._end_soon(f"{process.spec.name} ended the run", _status(process))
        elif len(ends) == len(self.processes) and not any(p.spec.manners.watch for p in self.processes.values()):
            self._end_soon("everything has ended", next(filter(None, ends), 0))
        elif not well:
            type_ = process.spec.type
            waiting = [p.spec.name for p in self._order.users.get(type_, ()) if p.waits]
            if waiting:
                process.tell_blocked(waiting)

    def _end_soon(self, why: str, status: int) -> None:
        self._loop.after(0, lambda: self.on_end(why, Verdict(status)))

    def rank(self, type_: str) -> int:
        """How many types must be gone, one after the other, before this one is stopped: 0 for most."""
        return self._order.ranks.get(type_, 0)

    def blockers(self, process: Instance) -> list[Instance]:
        """What it is started after and is not ready, nor too late to be waited for; or will be stopped in a moment."""
        return [
            other
            for type_ in dict.fromkeys(process.after)
            for other in self._order.instances.get(type_, ())
            if not ((other.ready or other.unready) and other.spec.name not in self._held)
        ]

    def missing(self, process: Instance) -> list[str]:
        """What it is started after and will not come: nobody wants it up."""
        return [other.spec.name for other in self.blockers(process) if not other.wanted]

    def in_order(self, processes: Iterable[Instance]) -> list[Instance]:
        """Those that are down first, what others come after before these; the rest as they are."""
        return sorted(processes, key=lambda p: (p.state is not State.DOWN, -self.rank(p.spec.type)))

    @property
    def _order(self) -> "_Order":
        if self._ordered is None:
            self._ordered = _Order(self.processes.values())
        return self._ordered

    def _release(self) -> None:
        """Begin the stops that nobody is waited for with any more."""
        for name in list(self._held):
            process = self.processes[name]
            if not any(map(self._is_stopping, self._order.users.get(process.spec.type, ()))):
                process.stop(self._held.pop(name))

    def _is_stopping(self, process: Instance) -> bool:
        """Whether it is being stopped, or will be in a moment: what it comes after is stopped behind it."""
        return process.state is State.STOPPING or process.spec.name in self._held

    def _settle_soon(self) -> None:
        """Not from here: a process, or an errand, may be in the middle of a change. Once for many changes."""
        if self._settling is None:
            self._settling = self._loop.after(0, self._settle)

    def _settle(self) -> None:
        """Something changed: begin what waited for it, and tell who asked."""
        self._settling = None
        self._release()
        for process in list(self.processes.values()):
            process.nudge()
        self._check_errands()
        self._check_over()

    def _check_errands(self) -> None:
        for errand in list(self._errands):
            there = [self.processes[name] for name in errand.names if name in self.processes]
            if all(self._settled(process, errand.until_ready) for process in there):
                self._errands.remove(errand)
                errand.done()

    def _settled(self, process: Instance, until_ready: bool) -> bool:
        """Whether what was asked for it has happened: down and meant to be, or running and, where awaited, ready."""
        if process.spec.name in self._held or process.state is State.STOPPING:
            return False
        if process.state is State.DOWN:
            return not process.wanted or process.crashed
        if process.spec.manners.policy.once:
            return False  # it will have ended
        return process.settled and not (process.starting and (until_ready or process.awaited))

    def failed(self, names: Iterable[str], until_ready: bool) -> list[str]:
        """Those of the instances that have not come up, or not in time where that is awaited."""
        there = {name: self.processes.get(name) for name in sorted(names)}
        return [name for name, process in there.items() if process is None or not process.came_up(until_ready)]

    def outlived(self, names: Iterable[str]) -> list[str]:
        """Those of the instances that are down although something of them outlives KILL."""
        there = {name: self.processes.get(name) for name in sorted(names)}
        return [
            name for name, process in there.items() if process is not None and process.outlived and not process.wanted
        ]

    def _check_over(self) -> None:
        """Once every instance is down, what could be told to be nobody's is stopped too: TERM, a budget, KILL."""
        if self.verdict is None or self.alive() or self._loop.stopped:
            return
        spared = {session for process in self.processes.values() for session in process.spared}
        left = any(row.sid not in spared for row in self.family.everybody())
        if self._strays is None and not left and self.family.certain:
            self._loop.stop()
            return
        if self._strays is None:
            self._strays = self._make_sweeper(self._loop, self.family, self._loop.stop, spared)
        self._strays.check("all instances are down")


class _Order:
    """What comes after what, of these instances: looked at often, and made anew when it changes.

    `instances` are those of each type, `users` those that come after a type; `ranks` is as in `dependencies`.
    """

    def __init__(self, processes: Iterable[Instance]) -> None:
        self.instances: dict[str, list[Instance]] = {}
        self.users: dict[str, list[Instance]] = {}
        after: dict[str, set[str]] = {}
        for process in processes:
            self.instances.setdefault(process.spec.type, []).append(process)
            after.setdefault(process.spec.type, set()).update(process.after)
            for type_ in set(process.after):
                self.users.setdefault(type_, []).append(process)
        self.ranks = ranks(after)


def _status(process: Instance) -> int:
    """The exit status that its end for good means for the run."""
    if process.hung or process.last_exit is None:
        return TIMED_OUT
    return exit_status(process.last_exit)


def _dead_child() -> "os.waitid_result | None":
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None


def _exit(info: "os.waitid_result") -> Exit:
    if info.si_code == os.CLD_EXITED:
        return Exit(info.si_status, None)
    return Exit(None, info.si_status)
