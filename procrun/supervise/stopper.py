"""Stops one instance: from the first signal of its stop sequence until nothing of it is left, or it is given up."""

import signal
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from procrun.core.events import EventKind
from procrun.core.spec import Step
from procrun.core.stop_sequence import UNKILLABLE_AFTER, unkillable, within
from procrun.eventloop.loop import Loop, Timer
from procrun.supervise.members import Members
from procrun.supervise.state_machine import Trigger
from procrun.supervise.surroundings import Surroundings
from procrun.system.host import process_table
from procrun.system.process_tree import FRESH
from procrun.system.signals import ENDING, signal_name
from procrun.system.types import Stat


class Owner(NamedTuple):
    """What the stopper calls of its instance: tell what happened, move its state, note that it takes no new work."""

    tell: Callable[[EventKind, float, str], None]
    handle: Callable[[Trigger], None]
    quieted: Callable[[], None]


class Stopper:
    """All stops of one instance, one at a time."""

    def __init__(self, around: Surroundings, members: Members, owner: Owner) -> None:
        self.forced = 0
        """How often it had to be killed."""
        self.spared: set[int] = set()
        """Sessions that its stop sequence lets live (`no_kill`)."""
        self.gave_up = False
        """Whether the last stop left something that outlives KILL."""
        self._around = around
        self._members = members
        self._owner = owner
        self._walk = Walk(around.loop, lambda: owner.handle(Trigger.STEP))
        self._sequence = members.spec.manners.stop_sequence
        self._hurried = self._missed = False
        self._doubt: Timer | None = None
        self._look: Timer | None = None

    def reset(self) -> None:
        """A new life begins: no signal was sent to it."""
        self._walk.begin(())
        self.plan()

    def plan(self, budget: float | None = None) -> None:
        """Have the next stop go by its own stop sequence, or inside `budget` seconds."""
        own = self._members.manners.stop_sequence
        self._sequence = own if budget is None else within(own, budget)

    def make_quiet(self) -> str:
        """Have it take no new work; the name of the signal that was sent, or empty where nothing serves."""
        for number in self._members.manners.quiet_signals:
            if self._members.catches(number):
                self._members.signal(number)
                self._owner.quieted()
                self._owner.tell(EventKind.QUIET, 0.0, signal_name(number))
                return signal_name(number)
        return ""

    def kill(self) -> None:
        """KILL everything of it at once."""
        self.forced += 1
        self._sequence = (Step(signal.SIGKILL, UNKILLABLE_AFTER),)  # for what was forked just then
        self._members.signal(signal.SIGKILL)

    def begin(self) -> None:
        """Take the first step."""
        self.gave_up = False
        self._walk.begin(self._sequence)
        self._take_step()

    def next_step(self) -> None:
        """Take the next step, or give up behind the last."""
        self._walk.advance()
        if self._walk.step is not None:
            self._take_step()
        else:
            self._give_up()

    def hurry(self) -> None:
        """Go one step on in the stop sequence now, if there is one."""
        if self._walk.coming():
            self._hurried = True
            self._owner.handle(Trigger.STEP)

    def shorten(self) -> None:
        """A stop that was given a longer budget of its own goes on by the usual one."""
        self._walk.shorten(self._members.manners.stop_sequence[0].wait)

    def end(self) -> None:
        """Nothing is left, or it was given up: look for nothing any more."""
        self._walk.finish()
        for timer in (self._doubt, self._look):
            if timer is not None:
                timer.cancel()

    def check_gone(self) -> None:
        """Its leader has ended, and now some process has: see whether anything is left."""
        left = self._members.alive()
        if not left and self._around.family.certain:
            self._owner.handle(Trigger.GONE)
        elif not left:
            self._doubt_it()
        elif self._walk.step is not None and self._missed:
            self._take_step()
        elif self._walk.step is not None:
            self._tell_others(self._walk.step)

    @property
    def elapsed(self) -> float:
        """Seconds since the first signal, 0 where none was sent."""
        return self._walk.elapsed

    def coming(self) -> str:
        """What comes next and when, for people: `KILL in 3 s`."""
        return self._walk.coming()

    def _doubt_it(self) -> None:
        """Processes came and went during the look: one of them may have left others of this instance."""
        if self._doubt is not None:
            self._doubt.cancel()
        self._doubt = self._around.loop.after(FRESH, self.check_gone)

    def _take_step(self) -> None:
        """Send the step's signal and arm its deadline.

        A process that is just forking may be missing from the snapshot. If the snapshot was empty, the step was
        `missed`: it is repeated when a process appears.
        """
        step = self._walk.step
        assert step is not None
        members = self._members
        members.volley.next_step()
        others = [row for row in members.alive() if row.pid != members.pid] if step.signal == signal.SIGKILL else []
        if others:
            self._owner.tell(EventKind.KILLING, self.elapsed, process_table.named(others))
        hit = members.signal(step.signal)
        unheard = not hit and bool(members.alive())
        after = self._walk.arm(hit > 0 or unheard)
        self._missed = not hit and not unheard
        hurried, self._hurried = self._hurried, self._hurried and self._missed
        if unheard:
            self._owner.tell(EventKind.SIGNAL, after, f"{signal_name(step.signal)} (caught by nobody)")
        elif hit:
            self._was_sent(step, after, hurried)
        elif not members.alive() and members.family.members(members.spec.name):
            self._owner.handle(Trigger.GONE)  # `sudo …`: reported, not waited for

    def _was_sent(self, step: Step, after: float, hurried: bool) -> None:
        self._look_later(step)
        if step.signal in self._members.manners.quiet_signals:
            self._owner.quieted()
            self._wait_for_work(step)
        killed = step.signal == signal.SIGKILL
        self.forced += killed
        # Heroku's words are for what was given its whole budget after TERM, or a store after its own signal.
        timeout = killed and not hurried and self._sequence[0].signal in ENDING
        self._owner.tell(EventKind.TIMEOUT if timeout else EventKind.SIGNAL, after, signal_name(step.signal))

    def _wait_for_work(self, step: Step) -> None:
        """The wait after a quiet signal ends when the work is done, where a title tells of it."""
        from procrun.supervise.drain import DrainWait

        def going_on() -> bool:
            return self._walk.step is step

        DrainWait(self._around, self._members, going_on, lambda: self._owner.handle(Trigger.STEP))

    def _look_later(self, step: Step) -> None:
        """Somebody who was not told may lose the parent that answers for it: look again in a moment."""
        if self._look is not None:
            self._look.cancel()
        when = self._members.volley.next_look(self._around.family.fresh)
        self._look = self._around.loop.at(when, lambda: self._tell_others(step))

    def _tell_others(self, step: Step) -> None:
        """Tell who is to be told by now, and look again while there is somebody who may have to be."""
        if self._walk.step is step and self._members.signal_again(step.signal):
            self._look_later(step)

    def refused(self, row: Stat) -> None:
        """This one may not be signalled: it is left out."""
        self._owner.tell(
            EventKind.STUCK, self.elapsed, f"pid {row.pid} ({process_table.title(row.pid)}) is another user's"
        )

    def _give_up(self) -> None:
        """What outlives KILL is abandoned; what a sequence without KILL leaves (`no_kill`) is spared."""
        members = self._members
        killed = self._sequence[-1].signal == signal.SIGKILL
        for row in members.alive():
            members.volley.leave(row)
            who = f"pid {row.pid} ({process_table.title(row.pid)})"
            if killed:
                self.gave_up = True
                members.family.abandon(members.spec.name, row)
                self._owner.tell(EventKind.STUCK, self.elapsed, f"{who} {unkillable(row)}")
            else:
                self.spared.add(row.sid)
                self._owner.tell(EventKind.STUCK, self.elapsed, f"{who} is still there at the end of its stop sequence")
        self._owner.handle(Trigger.GONE)


class Walk:
    """The way through a stop sequence: which step it is at, since when, and when the next one is due.

    One walk at a time; `due` is called when a wait is over. Times are on the monotonic clock.
    """

    def __init__(self, loop: Loop, due: Callable[[], None]) -> None:
        self._loop = loop
        self._due = due
        self._steps: tuple[Step, ...] = ()
        self._index = 0
        self._begun = 0.0
        self._timer: Timer | None = None

    @property
    def step(self) -> Step | None:
        """The step it is at; None before and behind the sequence."""
        return self._steps[self._index] if self._index < len(self._steps) else None

    @property
    def elapsed(self) -> float:
        """Seconds since the first signal, 0 where none was sent."""
        return monotonic() - self._begun if self._begun else 0.0

    def begin(self, steps: tuple[Step, ...]) -> None:
        """Stand at the first step."""
        self.end()
        self._steps, self._index, self._begun = steps, 0, 0.0

    def arm(self, hit: bool) -> float:
        """The step's signal is out: its wait begins, once; the budget counts from the first that reached somebody.

        Returns the seconds since that first one: on a busy machine time goes by until they are told.
        """
        now = monotonic()
        if hit:
            self._begun = self._begun or now
        if self.step is not None and self._timer is None:
            self._timer = self._loop.at(now + self.step.wait, self._due)
        return now - self._begun if self._begun else 0.0

    def advance(self) -> None:
        """Go to the next step."""
        self.end()
        self._index += 1

    def shorten(self, wait: float) -> None:
        """Let the present wait end in `wait` seconds at the latest."""
        if self._timer is not None and self._timer.when > monotonic() + wait:
            self._timer.cancel()
            self._timer = self._loop.after(wait, self._due)

    def end(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def finish(self) -> None:
        """The walk is over: it is at no step."""
        self.end()
        self._steps = ()

    def coming(self) -> str:
        """What comes next and when, for people: `KILL in 3 s`; empty where nothing does."""
        if self._timer is None or self._index + 1 >= len(self._steps):
            return ""
        wait, coming = round(self._timer.when - monotonic()), signal_name(self._steps[self._index + 1].signal)
        return f"{coming} in {wait} s" if wait > 0 else f"{coming} now"
