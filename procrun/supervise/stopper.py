"""The way through a stop sequence: which step it is at, since when, and when the next one is due."""

from collections.abc import Callable
from time import monotonic

from procrun.core.spec import Step
from procrun.eventloop.loop import Loop, Timer
from procrun.system.signals import signal_name


class Walk:
    """One walk at a time; `due` is called when a wait is over. Times are on the monotonic clock."""

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

    def coming(self) -> str:
        """What comes next and when, for people: `KILL in 3 s`; empty where nothing does."""
        if self._timer is None or self._index + 1 >= len(self._steps):
            return ""
        wait, coming = round(self._timer.when - monotonic()), signal_name(self._steps[self._index + 1].signal)
        return f"{coming} in {wait} s" if wait > 0 else f"{coming} now"
