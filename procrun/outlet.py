"""Where the lines of all instances go: to those who tap them, and as far as they are chosen into the stream."""

from collections.abc import Callable
from time import time

from procrun.choice import Choice
from procrun.output import Stream
from procrun.prefix import OURS

Tap = Callable[[str, bytes, float, str], None]
"""Hears of all whole lines of an instance (or of procrun itself), shown or not: name, lines, Unix time, stream."""


class Outlet:
    """Takes the lines of instances and procrun's own."""

    def __init__(self, stream: Stream, choice: Choice) -> None:
        self._stream = stream
        self._choice = choice
        self.taps: list[Tap] = []

    def emit(self, name: str, lines: bytes, stream: str) -> bool:
        """Whole lines of `name`; False when processes should be held back for a while."""
        self._tell(name, lines, "output")
        shown = self._choice.pick(name, lines)
        return not shown or self._stream.emit(name, shown)

    def preview(self, name: str, partial: bytes, stream: str) -> None:
        """An unfinished line of `name`, as it stands."""
        if self._choice.pick(name, partial + b"\n"):
            self._stream.preview(name, partial)

    def say(self, text: str) -> None:
        """A line of procrun's own."""
        self._tell(OURS, text.encode(errors="surrogateescape") + b"\n", OURS)
        self._stream.say(text)

    def _tell(self, name: str, lines: bytes, stream: str) -> None:
        now = time()
        for tap in self.taps:
            tap(name, lines, now, stream)
