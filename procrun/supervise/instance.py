"""One instance: it is spawned, read, signalled and reaped here, as the table of `state_machine` decides."""

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from procrun.core.events import Event, EventKind
from procrun.core.spec import STILL_ALIVE, Manners, Spec
from procrun.output.stdio import Console, Ends
from procrun.supervise.health_checks import Ears, HealthChecks
from procrun.supervise.members import Members, Program
from procrun.supervise.restart_policy import Restarter, comes_back, ends_well
from procrun.supervise.state_machine import TABLE, Action, Trigger
from procrun.supervise.status import Status
from procrun.supervise.stopper import Owner, Stopper
from procrun.supervise.surroundings import Surroundings
from procrun.system import limits
from procrun.system.host import process_table
from procrun.system.process_tree import MARK
from procrun.system.signals import describe
from procrun.system.spawn import spawn
from procrun.system.types import Exit

SETTLED_AFTER = 0.25
"""Seconds a new process must live to be called running: one whose command cannot start ends sooner."""


class Above(NamedTuple):
    """What an instance calls of its supervisor: tell what happened, and what it waits for before it starts."""

    tell: Callable[["Instance", Event], None]
    blockers: Callable[["Instance"], list["Instance"]]


class Instance:
    """One instance over all its restarts. Only this object replaces its `status`; its state changes in `_handle` alone.

    `next_spec` is what it is started as from its next start on.
    """

    def __init__(self, spec: Spec, around: Surroundings, above: Above) -> None:
        self.status = Status()
        self.next_spec = spec
        self.started = 0.0
        self.lived = 0.0
        self.last_exit: Exit | None = None
        self.ended = ""
        self.restarts = 0
        self._around = around
        self._above = above
        self.members = Members(spec, around.family, lambda row: self.stopper.refused(row))
        self.console = Console(spec.name, around.loop, around.output, self.members.is_computing, around.window)
        self.stopper = Stopper(around, self.members, Owner(self.tell, self._handle, self._quieted))
        ears = Ears(self._answered, self.hang, lambda: self.tell(EventKind.UNWATCHED, self.spec.manners.watchdog, ""))
        self.checks = HealthChecks(around, self.members, self.console.readers, ears)
        self._restarter = Restarter(around.loop)

    @property
    def spec(self) -> Spec:
        """What it was started as, or will be."""
        return self.members.spec

    @property
    def manners(self) -> Manners:
        """How it is treated: as the program that it runs, where one was seen, else as planned."""
        return self.members.manners

    # What is wanted of it

    def start(self) -> None:
        """Have it up, as soon as what it waits for is ready; a pause after a crash is over."""
        self._restarter.end_pause()
        self.status = self.status._replace(wanted=True, crashed=False)
        if self.status.down:
            self.status = self.status._replace(ready=False, finished=False)
        blockers = self._above.blockers(self) if self.status.down else []
        if blockers:
            self.tell(EventKind.WAITS, 0.0, ", ".join(other.spec.name for other in blockers))
        self.nudge()

    def want(self, up: bool) -> bool:
        """Have it up, or down, once its stop is over. True where it runs, so that the stop is still to be begun."""
        self.status = self.status._replace(wanted=up)
        if self.status.up:
            return True
        if up:
            self.start()
        else:
            self.status = self.status._replace(finished=False)  # from here on it is down since somebody wants it so
        return False

    def nudge(self) -> None:
        """What it waits for may be ready now."""
        if self.status.waits and not self._above.blockers(self):
            self._handle(Trigger.START)

    def stop(self, budget: float | None = None) -> None:
        """Stop it, by its own stop sequence or inside `budget` seconds; it starts again where it is wanted up."""
        if self.status.up:
            self.stopper.plan(budget)
        self._handle(Trigger.STOP)

    def plan_next(self, spec: Spec) -> None:
        """Start it as this from its next start on."""
        self.next_spec = spec

    def adapt(self) -> None:
        """Take over the manners of its next spec without a restart; a stop that is under way goes on as it began."""
        if self.status.stopping or self.spec == self.next_spec:
            return
        self.members.spec = self.next_spec
        self.members.program = None  # it is looked for again, since the new plan may say otherwise
        self.stopper.plan()
        self.tell(EventKind.RELOADED, 0.0, "")

    def take_program(self, program: Program) -> None:
        """Treat it as this program from here on; a stop that is under way goes on as it began."""
        before = self.members.program
        self.members.program = program
        if self.status.up:
            self.stopper.plan()
        if before is None or before.manners != program.manners:
            self.tell(EventKind.RECOGNISED, monotonic() - self.started, program.manners.profile)

    def crash(self) -> None:
        """KILL everything of it at once: that it ends now is as if it had ended by itself."""
        if self.status.up:
            self.stopper.kill()

    # What happened to it

    def hang(self, why: str) -> None:
        """The instance is hung. Restart it regardless of its restart policy, unless its restart limit is reached.

        A limit counts this as a restart. A stop that has begun, or is about to, has no use for it.
        """
        if not self.status.wanted or not self.status.up:
            return
        policy = self.spec.manners.policy
        again = self._restarter.after_hang(policy, monotonic() - self.started)
        self.status = self.status._replace(wanted=again, finished=not again, hung=not again)
        self.tell(EventKind.HUNG, 0.0, why)
        if self.status.hung and policy.limit is not None:
            self.tell(EventKind.GIVEN_UP, policy.limit.seconds, str(policy.limit.restarts))
        self.stop()

    def exited(self, end: Exit) -> None:
        """Its leader was reaped: say so at once, behind its last output."""
        up = self.status.up
        self.last_exit = end
        self.ended = _in_words(end, self.status, self.manners)
        self.lived = monotonic() - self.started
        pid, self.members.pid = self.members.pid, 0
        self._around.family.died(pid)
        self.console.drain()
        seconds = self.lived if up else self.stopper.elapsed
        event = Event(self.spec.name, EventKind.EXITED, seconds, self.ended, pid)
        if up and self.status.wanted:  # a store that will be stopped behind its users is not started again
            self._ended_by_itself(end, event)
        else:
            self._above.tell(self, event)
        self._handle(Trigger.EXITED)

    def check_gone(self) -> None:
        """Some process ended: see whether anything of this instance is left."""
        if not self.status.down and not self.members.pid:
            self.stopper.check_gone()

    # What is done about it

    def _handle(self, trigger: Trigger) -> None:
        state, action = TABLE[self.status.state, trigger]
        self.status = self.status._replace(state=state)
        _ACTIONS[action](self)

    def _spawn(self) -> None:
        spec, family = self.next_spec, self._around.family
        self.members.begin(spec)
        self.started = monotonic()
        self.status = Status(self.status.state, self.status.wanted)
        self.stopper.reset()
        ends: Ends | None = None
        try:
            ends = self.console.open(spec.console)
            told = self.checks.prepare()
            env = {**spec.env, **self.console.variables(spec.env), **told, MARK: family.mark(spec.name)}
            pid = spawn(ends.before + spec.shell_line, spec.root, env, *ends[:3])
        except OSError as error:
            self._cannot_spawn(error)
            return
        finally:
            if ends is not None:
                ends.close()
        self.members.pid = pid
        family.born(spec.name, pid)
        self.tell(EventKind.STARTED, 0.0, "")
        self._around.loop.after(SETTLED_AFTER, lambda: self._settle(pid))
        self.status = self.status._replace(probing=self.checks.begin())

    def _cannot_spawn(self, error: OSError) -> None:
        self.last_exit = Exit(126, None)
        self.ended = describe(self.last_exit)
        self.lived = 0.0
        why = limits.why(error, self.spec.shell_line, self.spec.env)
        self._ended_by_itself(self.last_exit, Event(self.spec.name, EventKind.FAILED, 0.0, why, self.members.pid))
        self._handle(Trigger.GONE)

    def _ended_by_itself(self, end: Exit, event: Event) -> None:
        """Whether it is wanted up again, and after which pause, is its policy's to say."""
        policy = self.spec.manners.policy
        again = self._restarter.after_end(policy, end, self.lived)
        self.status = self.status._replace(wanted=again, finished=not again)
        self._above.tell(self, event)
        if self.status.finished and policy.limit is not None and comes_back(policy, end):
            self.tell(EventKind.GIVEN_UP, policy.limit.seconds, str(policy.limit.restarts))

    def _settle(self, pid: int) -> None:
        if self.members.pid == pid and self.status.up:
            manners = self.spec.manners
            ready = self.status.ready or (manners.ready is None and not manners.policy.once)
            self.status = self.status._replace(settled=True, ready=ready)
            self.tell(EventKind.RUNNING, SETTLED_AFTER, "")
            if self.status.ready:
                self.checks.watch(self.spec.manners.awaited)

    def _answered(self, by: str, reason: str) -> None:
        self.status = self.status._replace(probing=False, ready=not reason, unready=bool(reason))
        self.tell(EventKind.UNREADY if reason else EventKind.READY, monotonic() - self.started, reason or by)
        self.checks.watch(self.status.ready and self.spec.manners.awaited)

    def _begin(self) -> None:
        self.status = self.status._replace(ready=False, unready=False, probing=False)
        self.checks.rest()
        left = [] if self.members.pid else self.members.alive()
        if left:
            self.tell(EventKind.LEFT, 0.0, process_table.named(left))
        self.console.read_regardless()
        self.stopper.begin()

    def _conclude(self) -> None:
        self.stopper.end()
        if self.members.pid:  # its leader outlives KILL
            self.ended, self.lived = STILL_ALIVE, monotonic() - self.started
        self.members.pid = 0
        self.status = self.status._replace(ready=False, settled=False, quieted=False)
        self.console.close()
        self.checks.close()
        strays = self._around.family.strays() if self.status.wanted else []
        self._around.family.buried(self.spec.name)
        self.tell(EventKind.GONE, self.stopper.elapsed, STILL_ALIVE if self.stopper.gave_up else self.ended)
        once = ends_well(self.spec.manners.policy, self.last_exit)
        if self.status.finished and not self.status.hung and once:
            self.status = self.status._replace(ready=True)
            self.tell(EventKind.DONE, self.lived, "")
        if strays:
            self.tell(EventKind.STRAYS, 0.0, process_table.named(strays))
        self.members.spec = self.next_spec  # what it waits for, too
        if self.status.wanted:
            self._come_back()
        self._restarter.forget_pause()

    def _come_back(self) -> None:
        def resume() -> None:
            self.status = self.status._replace(crashed=False)
            self.nudge()

        self.restarts += 1
        pause = self._restarter.begin_pause(resume)
        if pause:
            self.status = self.status._replace(crashed=True)
            self.tell(EventKind.CRASHED, pause, self.ended)
        self.nudge()

    def _quieted(self) -> None:
        self.status = self.status._replace(quieted=True)

    def tell(self, what: EventKind, seconds: float, detail: str) -> None:
        """Tell what happened to it; somebody who watches it may have seen it."""
        self._above.tell(self, Event(self.spec.name, what, seconds, detail, self.members.pid))


def _in_words(end: Exit, status: Status, manners: Manners) -> str:
    """`killed by TERM (clean)` where that is how the program ends well after our own signal."""
    signals = (end.signal, end.status - 128 if end.status is not None else None)
    clean = status.stopping and not manners.clean.isdisjoint(signals)
    return f"{describe(end)} (clean)" if clean else describe(end)


_ACTIONS: dict[Action, Callable[[Instance], None]] = {
    Action.NOTHING: lambda instance: None,
    Action.SPAWN: Instance._spawn,
    Action.BEGIN: Instance._begin,
    Action.NEXT: lambda instance: instance.stopper.next_step(),
    Action.CONCLUDE: Instance._conclude,
}
