"""One instance: it is spawned, read, signalled and reaped here, as the table of `state_machine` decides."""

import signal
from collections.abc import Callable, Iterable, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from procrun.core.events import EventKind, Happening
from procrun.core.spec import STILL_ALIVE, Manners, Spec, Step
from procrun.core.stop_sequence import UNKILLABLE_AFTER, unkillable, within
from procrun.eventloop.loop import Loop, Timer
from procrun.output.reader import Output
from procrun.output.stdio import Console, Ends, Window
from procrun.supervise.restart_policy import Backoff, comes_back, ends_well
from procrun.supervise.state_machine import TABLE, Action, State, Trigger
from procrun.supervise.stopper import Walk
from procrun.system import limits
from procrun.system.audience import Key
from procrun.system.linux import procfs
from procrun.system.process_tree import FRESH, MARK, Family
from procrun.system.signalling import HARMLESS, Volley, main_process
from procrun.system.signals import ENDING, describe, signal_name
from procrun.system.spawn import spawn
from procrun.system.types import Exit, Stat

if TYPE_CHECKING:  # imported behind the first child, or where something is to be watched
    from procrun.core.run_dir import Kept
    from procrun.health.monitor import Health
    from procrun.health.readiness import Asked, Probe, Questions
    from procrun.supervise.drain import Busy

DRAIN_EVERY = 0.5
"""Seconds between two looks at the title of a quieted worker while it drains."""

SETTLED_AFTER = 0.25
"""Seconds a new process must live to be called running: one whose command cannot start ends sooner."""


class Program(NamedTuple):
    """A known program that an instance was seen to run: its process, and the manners that follow from it.

    `started` is in clock ticks since boot, so that no later process is taken for it.
    """

    pid: int
    started: int
    manners: Manners


class Surroundings(NamedTuple):
    """What all instances share, handed in at construction; `tell` is the one call upward.

    `late_stores` are the types that turned out to be stores: whatever is no store starts after them and stops before.
    `kept` are the files in the run's folder that are to be there while the run lives.
    """

    loop: Loop
    family: Family
    output: Output
    tell: Callable[["Instance", Happening], None]
    blockers: Callable[["Instance"], list["Instance"]]
    window: Callable[[], Window | None]
    questions: "Callable[[], Questions]"
    late_stores: set[str]
    kept: "set[Kept]"


class Instance:
    """One instance over all its restarts; only this object changes its state, only in `_handle`."""

    def __init__(self, spec: Spec, around: Surroundings) -> None:
        self.spec = spec
        self.next_spec = spec
        self.program: Program | None = None
        """The known program that it was seen to run, in this life."""
        self.state = State.DOWN
        self.wanted = False
        self.pid = 0
        self.started = 0.0
        self.lived = 0.0
        self.since = 0.0
        self.last_exit: Exit | None = None
        self.ended = ""
        self.restarts = 0
        self.forced = 0
        self.settled = False
        self.ready = False
        """Whether it serves what comes after it: it answers, has lived for a moment where nothing is asked, is done."""
        self.unready = False
        """Whether it runs, and has not answered in time."""
        self.quieted = False
        self.finished = False
        self.hung = False
        """Whether it was given up since it hangs, time and again."""
        self.spared: set[int] = set()
        """Sessions that its stop sequence lets live (`no_kill`)."""
        self._around = around
        self._probe: Probe | None = None
        self._health: Health | None = None
        self.console = Console(spec.name, around.loop, around.output, self._is_busy, around.window)
        self._walk = Walk(around.loop, lambda: self._handle(Trigger.STEP))
        self._volley = Volley(self._refused)
        self._sequence = spec.manners.stop_sequence
        self._hurried = self._missed = self._given_up = False
        self._backoff = Backoff()
        self._pause = 0.0
        self._retry: Timer | None = None
        self._doubt: Timer | None = None
        self._look: Timer | None = None

    # What is wanted of it

    def start(self) -> None:
        """Have it up, as soon as what it waits for is ready; a pause after a crash is over."""
        self.wanted = True
        self._end_pause()
        if self.state is State.DOWN:
            self.ready = self.finished = False
        blockers = self._around.blockers(self) if self.state is State.DOWN else []
        if blockers:
            self._tell(EventKind.WAITS, 0.0, ", ".join(process.spec.name for process in blockers))
        self.nudge()

    def nudge(self) -> None:
        """What it waits for may be ready now."""
        if self.waits and not self._around.blockers(self):
            self._handle(Trigger.START)

    def stop(self, budget: float | None = None) -> None:
        """Stop it, by its own stop sequence or inside `budget` seconds; it starts again where it is wanted up."""
        if self.state is State.UP:
            own = self.manners.stop_sequence
            self._sequence = own if budget is None else within(own, budget)
        self._handle(Trigger.STOP)

    def notified(self) -> None:
        """It has told that it is ready (sd_notify(3))."""
        if self._probe is not None:
            self._probe.notified()

    def adapt(self) -> None:
        """Take over the manners of its next spec without a restart; a stop that is under way goes on as it began."""
        if self.state is State.STOPPING or self.spec == self.next_spec:
            return
        self.spec = self.next_spec
        self.program = None  # it is looked for again, since the new plan may say otherwise
        self._sequence = self.spec.manners.stop_sequence
        self._tell(EventKind.RELOADED, 0.0, "")

    def take_program(self, program: Program) -> None:
        """Treat it as this program from here on; a stop that is under way goes on as it began."""
        known = self.program is not None and self.program.manners == program.manners
        self.program = program
        if self.state is State.UP:
            self._sequence = program.manners.stop_sequence
        if not known:
            self._tell(EventKind.RECOGNISED, monotonic() - self.started, program.manners.profile)

    @property
    def manners(self) -> Manners:
        """How it is treated: as the program that it runs, where one was seen, else as planned."""
        return self.program.manners if self.program is not None else self.spec.manners

    def make_quiet(self) -> str:
        """Have it take no new work; the name of the signal that was sent, or empty where nothing serves."""
        for number in self.manners.quiet_signals:
            if main_process(number, self.pid, self.alive(), self._program_pid) is not None:
                self._signal(number)
                self.quieted = True
                self._tell(EventKind.QUIET, 0.0, signal_name(number))
                return signal_name(number)
        return ""

    def send(self, number: int) -> None:
        """Send its main process a signal that is no part of a stop; its leader where nobody catches it."""
        self._volley.aim(number, self.pid, self.alive(), self._program_pid)

    def survives(self, number: int) -> bool:
        """Whether it goes on after signal `number`: its main process catches it, or nobody ends of it anyway."""
        if number in self.manners.deadly:
            return False
        if number in HARMLESS:
            return True
        return main_process(number, self.pid, self.alive(), self._program_pid) is not None

    def busy(self) -> "Busy | None":
        """What its process title says of its work; None where it says nothing."""
        pattern = self.manners.busy_title
        if not pattern:
            return None
        from procrun.supervise.drain import told

        return told(pattern, self.alive())

    def ask_drained(self) -> Callable[[], bool]:
        """What tells, in a thread, whether it has finished all its work (Sidekiq's title is 5 s late)."""
        pattern, rows = self.manners.busy_title, self.alive()
        if not pattern:
            return lambda: True
        from procrun.supervise.drain import drained

        return lambda: drained(pattern, rows)

    def hurry(self) -> None:
        """Go one step on in the stop sequence now, if there is one."""
        if self._walk.coming():
            self._hurried = True
            self._handle(Trigger.STEP)

    def shorten(self) -> None:
        """A stop that was given a longer budget of its own goes on by the usual one."""
        self._walk.shorten(self.manners.stop_sequence[0].wait)

    def freeze(self, number: int) -> None:
        """Pass STOP or CONT to everything of it (Ctrl-Z, fg)."""
        if self._probe is not None:
            self._probe.freeze(number == signal.SIGSTOP)
        if self._health is not None:
            self._health.freeze(number == signal.SIGSTOP)
        self._signal(number)

    def remark(self, what: EventKind, seconds: float, detail: str) -> None:
        """Somebody who watches it has seen something."""
        self._tell(what, seconds, detail)

    def crash(self) -> None:
        """KILL everything of it at once: that it ends now is as if it had ended by itself."""
        if self.state is State.UP:
            self.forced += 1
            self._sequence = (Step(signal.SIGKILL, UNKILLABLE_AFTER),)  # for what was forked just then
            self._signal(signal.SIGKILL)

    # What happened to it

    def hang(self, why: str) -> None:
        """It lives, and does nothing: stop it and start it again, whatever it does of itself; unless its limit says no.

        A limit counts this as a restart. A stop that has begun, or is about to, has no use for it.
        """
        if not self.wanted or self.state is not State.UP:
            return
        now, policy = monotonic(), self.spec.manners.policy
        pause = self._backoff.wait(policy, now - self.started, now)
        self.wanted, self._pause = pause is not None, pause or 0.0
        self.finished = self.hung = not self.wanted
        self._tell(EventKind.HUNG, 0.0, why)
        if self.hung and policy.limit is not None:
            self._tell(EventKind.GIVEN_UP, policy.limit.seconds, str(policy.limit.restarts))
        self.stop()

    def exited(self, end: Exit) -> None:
        """Its leader was reaped: say so at once, behind its last output."""
        self.last_exit = end
        self.ended = self._in_words(end)
        self.lived = monotonic() - self.started
        pid, self.pid = self.pid, 0
        self._around.family.died(pid)
        self.console.drain()
        up = self.state is State.UP
        by_itself = up and self.wanted  # a store that will be stopped behind its users is not started again
        if by_itself:
            self._decide(end)
        seconds = self.lived if up else self._walk.elapsed
        self._around.tell(self, Happening(self.spec.name, EventKind.EXITED, seconds, self.ended, pid))
        if by_itself:
            self._tell_given_up(end)
        self._handle(Trigger.EXITED)

    def check_gone(self) -> None:
        """Some process ended: see whether anything of this instance is left."""
        if self.state is State.DOWN or self.pid:
            return
        left = self.alive()
        if not left and self._around.family.certain:
            self._handle(Trigger.GONE)
        elif not left:
            self._look_again()
        elif self._walk.step is not None and self._missed:
            self._take_step()
        elif self._walk.step is not None:
            self._tell_others(self._walk.step)

    def _look_again(self) -> None:
        """Processes came and went during the look: one of them may have left others of this instance."""
        if self._doubt is not None:
            self._doubt.cancel()
        self._doubt = self._around.loop.after(FRESH, self.check_gone)

    # What is

    def alive(self) -> list[Stat]:
        """Everything of it that is alive and ours to signal."""
        return self._volley.ours(self._around.family.members(self.spec.name))

    @property
    def waits(self) -> bool:
        """Whether it is wanted up, and waits for others to be ready."""
        return self.wanted and self.state is State.DOWN and not self.crashed

    @property
    def after(self) -> tuple[str, ...]:
        """The types that it starts after, by the newest plan for all: two plans at a time might make a cycle."""
        planned = self.next_spec.manners.after
        if self.manners.store:
            return planned
        return (*planned, *(self._around.late_stores - {self.spec.type, *planned}))

    @property
    def awaited(self) -> bool:
        """Whether who starts it waits until it is ready."""
        return self.spec.manners.ready is not None and self.spec.manners.ready.awaited

    def came_up(self, until_ready: bool) -> bool:
        """Whether it runs or is done; and is ready in time where that is awaited, or asked for by `until_ready`."""
        return self.done or (self.state is State.UP and not (self.unready and (until_ready or self.awaited)))

    @property
    def starting(self) -> bool:
        """Whether it runs and is not known to be ready yet."""
        return self._probe is not None

    @property
    def done(self) -> bool:
        """Whether it was to run once, and has ended with 0."""
        return self.ready and self.state is State.DOWN

    @property
    def status(self) -> str:
        """What it says of itself (STATUS=, sd_notify(3)), empty where it says nothing."""
        return self._health.status if self._health is not None else ""

    @property
    def outlived(self) -> bool:
        """Whether it is down, and something of it outlives KILL."""
        return self.state is State.DOWN and bool(self._around.family.outlived(self.spec.name))

    @property
    def crashed(self) -> bool:
        """Whether it is down because it ended by itself, and its next start waits."""
        return self._retry is not None

    def stopping_for(self) -> float:
        """Seconds since its first signal."""
        return self._walk.elapsed

    def next_step(self) -> str:
        """What comes next and when, for people: `KILL in 3 s`."""
        return self._walk.coming()

    # What is done about it

    def _handle(self, trigger: Trigger) -> None:
        self.state, action = TABLE[self.state, trigger]
        _ACTIONS[action](self)

    def _spawn(self) -> None:
        spec = self.spec = self.next_spec
        self.program = None
        self.started, self.since = monotonic(), time()
        self.settled = self.ready = self.unready = self.quieted = self.finished = self.hung = False
        self._volley = Volley(self._refused)
        self._walk.begin(())
        self._sequence = spec.manners.stop_sequence
        ends: Ends | None = None
        try:
            ends = self.console.open(spec.console)
            told = self._watch()
            env = {**spec.env, **self.console.variables(spec.env), **told, MARK: self._around.family.mark(spec.name)}
            pid = spawn(ends.before + spec.shell_line, spec.root, env, *ends[:3])
        except OSError as error:
            self._cannot_spawn(error)
            return
        finally:
            if ends is not None:
                ends.close()
        self.pid = pid
        self._around.family.born(spec.name, pid)
        self._tell(EventKind.STARTED, 0.0, "")
        self._around.loop.after(SETTLED_AFTER, lambda: self._settle(pid))
        if spec.manners.ready is not None:
            from procrun.health.readiness import Probe

            around = self._around
            self._probe = Probe(around.loop, spec.manners.ready, self._asked(), around.questions(), self._answered)

    def _asked(self) -> "Asked":
        from procrun.health.readiness import Asked

        spec = self.spec
        return Asked(spec.name, spec.port, spec.root, spec.env, self._pids, self.console.readers, self._around.family)

    def _watch(self) -> Mapping[str, str]:
        """Watch over what is about to be started, where anything is to be watched; what it must be told for that."""
        manners, around = self.spec.manners, self._around
        notifies = manners.ready is not None and manners.ready.kind == "notify"
        if not (manners.watchdog or manners.alive or notifies):
            return {}
        from procrun.health.monitor import Ears, Health

        ears = Ears(self.hang, self.notified, lambda: self._tell(EventKind.UNWATCHED, manners.watchdog, ""))
        self._health = Health(around.loop, manners, self._asked(), around.questions().ends, ears, around.kept)
        return self._health.env

    def _cannot_spawn(self, error: OSError) -> None:
        self.last_exit = Exit(126, None)
        self.ended = describe(self.last_exit)
        self.lived = 0.0
        self._decide(self.last_exit)
        self._tell(EventKind.FAILED, 0.0, limits.why(error, self.spec.shell_line, self.spec.env))
        self._tell_given_up(self.last_exit)
        self._handle(Trigger.GONE)

    def _decide(self, end: Exit) -> None:
        """It ended by itself: whether it is wanted up again, and after which pause, is its policy's to say."""
        policy = self.spec.manners.policy
        self.wanted = comes_back(policy, end)
        if self.wanted:
            pause = self._backoff.wait(policy, self.lived, monotonic())
            self.wanted, self._pause = pause is not None, pause or 0.0
        self.finished = not self.wanted

    def _tell_given_up(self, end: Exit) -> None:
        limit = self.spec.manners.policy.limit
        if self.finished and limit is not None and comes_back(self.spec.manners.policy, end):
            self._tell(EventKind.GIVEN_UP, limit.seconds, str(limit.restarts))

    def tell_blocked(self, names: list[str]) -> None:
        """It has ended, and these wait for it."""
        self._tell(EventKind.BLOCKS, 0.0, ", ".join(names))

    def _end_pause(self) -> None:
        self._pause = 0.0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _try_again(self) -> None:
        self._retry = None
        self.nudge()

    def _settle(self, pid: int) -> None:
        if self.pid == pid and self.state is State.UP:
            self.settled = True
            manners = self.spec.manners
            self.ready = self.ready or (manners.ready is None and not manners.policy.once)
            self._tell(EventKind.RUNNING, SETTLED_AFTER, "")
            if self.ready and self._health is not None:
                self._health.begin(self.awaited)

    def _answered(self, by: str, reason: str) -> None:
        self._probe = None
        self.ready, self.unready = not reason, bool(reason)
        self._tell(EventKind.UNREADY if reason else EventKind.READY, monotonic() - self.started, reason or by)
        if self._health is not None:
            self._health.begin(self.ready and self.awaited)

    def _begin(self) -> None:
        self.ready = self.unready = self._given_up = False
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        if self._health is not None:
            self._health.rest()
        left = [] if self.pid else self.alive()
        if left:
            self._tell(EventKind.LEFT, 0.0, procfs.named(left))
        self.console.read_regardless()
        self._walk.begin(self._sequence)
        self._take_step()

    def _next(self) -> None:
        self._walk.advance()
        if self._walk.step is not None:
            self._take_step()
        else:
            self._give_up()

    def _take_step(self) -> None:
        """Signal, and arm the deadline in the same breath, whoever was hit: a fork may hide from one look.

        Where all have hidden, whose look was `missed`, the step is taken again at who is seen next.
        """
        step = self._walk.step
        assert step is not None
        self._volley.next_step()
        others = [row for row in self.alive() if row.pid != self.pid] if step.signal == signal.SIGKILL else []
        if others:
            self._tell(EventKind.KILLING, self._walk.elapsed, procfs.named(others))
        hit = self._signal(step.signal)
        unheard = not hit and bool(self.alive())
        after = self._walk.arm(hit > 0 or unheard)
        self._missed = not hit and not unheard
        hurried, self._hurried = self._hurried, self._hurried and self._missed
        if unheard:
            self._tell(EventKind.SIGNAL, after, f"{signal_name(step.signal)} (caught by nobody)")
        elif hit:
            self._look_later(step)
            if step.signal in self.manners.quiet_signals:
                self.quieted = True
                self._around.loop.after(DRAIN_EVERY, lambda: self._watch_drain(step))
            killed = step.signal == signal.SIGKILL
            self.forced += killed
            # Heroku's words are for what was given its whole budget after TERM, or a store after its own signal.
            timeout = killed and not hurried and self._sequence[0].signal in ENDING
            what = EventKind.TIMEOUT if timeout else EventKind.SIGNAL
            self._tell(what, after, signal_name(step.signal))
        elif not self.alive() and self._around.family.members(self.spec.name):
            self._handle(Trigger.GONE)  # `sudo …`: reported, not waited for

    def _look_later(self, step: Step) -> None:
        """Somebody who was not told may lose the parent that answers for it: look again in a moment."""
        if self._look is not None:
            self._look.cancel()
        when = self._volley.next_look(self._around.family.fresh)
        self._look = self._around.loop.at(when, lambda: self._tell_others(step))

    def _tell_others(self, step: Step) -> None:
        """Tell who is to be told by now, and look again while there is somebody who may have to be."""
        if self.state is not State.STOPPING or self._walk.step is not step:
            return
        if self._volley.again(step.signal, self.alive(), self.manners.to_all):
            self._look_later(step)

    def pass_over(self, keys: Iterable[Key]) -> None:
        """These were seen to be programs whose children are told in their place when they are to end."""
        self._volley.aside |= set(keys)

    @property
    def _program_pid(self) -> int:
        """The pid of the known program that it was seen to run; 0 where there is none, or that process has gone."""
        program = self.program
        seen = program is not None and any((row.pid, row.started) == program[:2] for row in self.alive())
        return program.pid if program is not None and seen else 0

    def _is_busy(self) -> bool:
        return any(row.state == "R" for row in self.alive())

    def _pids(self) -> list[int]:
        return [row.pid for row in self.alive()]

    def _signal(self, number: int) -> int:
        return self._volley.fire(number, self.pid, self.alive(), self.manners.to_all, self._program_pid)

    def _refused(self, row: Stat) -> None:
        self._tell(EventKind.STUCK, self._walk.elapsed, f"pid {row.pid} ({procfs.title(row.pid)}) is another user's")

    def _watch_drain(self, step: Step) -> None:
        """A wait after a quiet signal ends when the work is done, where a title tells of it."""
        pattern, rows = self.manners.busy_title, self.alive()
        if pattern and self._is_at(step):
            from procrun.supervise.drain import told

            self._around.questions().aside.do(lambda: told(pattern, rows), lambda busy: self._see_drain(step, busy))

    def _see_drain(self, step: Step, busy: "Busy | None") -> None:
        if not self._is_at(step):
            return
        if busy is not None and busy.drained:
            self._handle(Trigger.STEP)
        else:
            self._around.loop.after(DRAIN_EVERY, lambda: self._watch_drain(step))

    def _is_at(self, step: Step) -> bool:
        return self.state is State.STOPPING and self._walk.step is step

    def _give_up(self) -> None:
        """What outlives KILL is abandoned; what a sequence without KILL leaves (`no_kill`) is spared."""
        killed = self._sequence[-1].signal == signal.SIGKILL
        for row in self.alive():
            self._volley.leave(row)
            who = f"pid {row.pid} ({procfs.title(row.pid)})"
            if killed:
                self._given_up = True
                self._around.family.abandon(self.spec.name, row)
                self._tell(EventKind.STUCK, self._walk.elapsed, f"{who} {unkillable(row)}")
            else:
                self.spared.add(row.sid)
                self._tell(EventKind.STUCK, self._walk.elapsed, f"{who} is still there at the end of its stop sequence")
        self._handle(Trigger.GONE)

    def _conclude(self) -> None:
        self._walk.end()
        if self.pid:  # its leader outlives KILL
            self.ended, self.lived = STILL_ALIVE, monotonic() - self.started
        self.pid = 0
        self.ready = self.settled = self.quieted = False
        self.console.close()
        if self._health is not None:
            self._health.close()
            self._health = None
        strays = self._around.family.strays() if self.wanted else []
        self._around.family.buried(self.spec.name)
        self._tell(EventKind.GONE, self._walk.elapsed, STILL_ALIVE if self._given_up else self.ended)
        if self.finished and not self.hung and ends_well(self.spec.manners.policy, self.last_exit):
            self.ready = True
            self._tell(EventKind.DONE, self.lived, "")
        if strays:
            self._tell(EventKind.STRAYS, 0.0, procfs.named(strays))
        for timer in (self._doubt, self._look):
            if timer is not None:
                timer.cancel()
        self.spec = self.next_spec  # what it waits for, too
        if self.wanted:
            self.restarts += 1
            if self._pause:
                self._retry = self._around.loop.after(self._pause, self._try_again)
                self._tell(EventKind.CRASHED, self._pause, self.ended)
            self.nudge()
        self._pause = 0.0

    def _in_words(self, end: Exit) -> str:
        """`killed by TERM (clean)` where that is how the program ends well after our own signal."""
        signals = (end.signal, end.status - 128 if end.status is not None else None)
        clean = self.state is State.STOPPING and not self.manners.clean.isdisjoint(signals)
        return f"{describe(end)} (clean)" if clean else describe(end)

    def _tell(self, what: EventKind, seconds: float, detail: str) -> None:
        self._around.tell(self, Happening(self.spec.name, what, seconds, detail, self.pid))

    def _rest(self) -> None:
        pass


Process = Instance
"""Its former name, for users that have not moved yet."""

_ACTIONS: dict[Action, Callable[[Instance], None]] = {
    Action.NOTHING: Instance._rest,
    Action.SPAWN: Instance._spawn,
    Action.BEGIN: Instance._begin,
    Action.NEXT: Instance._next,
    Action.CONCLUDE: Instance._conclude,
}
