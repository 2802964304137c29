"""Where the lines of all instances go: to those who tap them, and as far as they are chosen into the stream."""

from collections.abc import Callable
from time import time
from typing import Protocol

from procrun.core.text import clean
from procrun.output.filter import Choice
from procrun.output.prefix import OURS
from procrun.output.stream import Prompt

Tap = Callable[[str, bytes, float, str], None]
"""Hears of all whole lines of an instance (or of procrun itself), shown or not: name, lines, Unix time, stream."""


class Shown(Protocol):
    """What people or programs see: for people a Stream, for programs a JsonStream."""

    @property
    def waits(self) -> bool: ...

    @property
    def full(self) -> bool: ...

    @property
    def prompt(self) -> Prompt | None: ...

    def emit(self, name: str, lines: bytes, stream: str, at: float) -> None: ...

    def preview(self, name: str, partial: bytes) -> None: ...

    def withdraw(self, name: str) -> None: ...

    def say(self, text: str, at: float) -> None: ...


class Outlet:
    """Takes the lines of instances and procrun's own; all who hear of some are told the same time."""

    def __init__(self, shown: Shown, choice: Choice) -> None:
        self._shown = shown
        self._choice = choice
        self.taps: list[Tap] = []
        self.brakes: list[Callable[[], bool]] = []
        """Asked whether everybody should be held back, until `drained`."""
        self._held: list[Callable[[], None]] = []

    def holds(self, name: str, floods: bool, resume: Callable[[], None]) -> bool:
        """Whether nothing more of `name` should come for a while: `resume` is called when it is over.

        Who floods is held back as soon as anything waits, so that others find little before them; what is not shown
        holds nothing up.
        """
        shown = self._shown
        held = shown.waits and (floods or shown.full) and self._choice.shows(name)
        if held or any(brake() for brake in self.brakes):
            self._held.append(resume)
            return True
        return False

    def drained(self) -> None:
        """Who was held back may ask again: who was first comes first, as something may soon wait once more."""
        held, self._held = self._held, []
        for resume in held:
            resume()

    def emit(self, name: str, lines: bytes, stream: str) -> None:
        """Whole lines of `name`: first to who looks on and waits, then to those who keep them."""
        now = time()
        chosen = self._choice.pick(name, lines)
        if chosen:
            self._shown.emit(name, chosen, stream, now)
        else:
            self._shown.withdraw(name)
        for tap in self.taps:
            tap(name, lines, now, stream)

    def preview(self, name: str, partial: bytes, stream: str) -> None:
        """An unfinished line of `name`, as it stands."""
        if self._choice.pick(name, partial + b"\n"):
            self._shown.preview(name, partial)

    @property
    def prompt(self) -> Prompt | None:
        """The unfinished line that people see, if there is one."""
        return self._shown.prompt

    def shows(self, name: str) -> bool:
        """Whether `name` is shown."""
        return self._choice.shows(name)

    def toggle(self, name: str) -> bool:
        """Show `name` from now on if it was hidden, hide it if not; whether it is shown now."""
        shown = self._choice.toggle(name)
        if not shown:
            self._shown.withdraw(name)
            self.drained()  # it may be held back, which would be for nothing now
        return shown

    def say(self, text: str) -> None:
        """A line of procrun's own."""
        text, now = clean(text), time()
        for tap in self.taps:
            tap(OURS, text.encode() + b"\n", now, OURS)
        self._shown.say(text, now)
