"""Looks for patterns in every line that the processes of a run write."""

import re
from collections.abc import Callable, Sequence

from procrun.core.text import PATIENCE, in_time
from procrun.hints import plain

MOST, LONGEST = 10, 500
"""Lines that are told of at most, and letters of each."""

Found = Callable[[str, str, str, list[str]], None]
"""Hears of the pattern, the instance, what is to be said, and the lines in which it was found."""


class LogWatch:
    """Tells of the first lines of each instance in which one of `patterns` is found; names in `spared` are not read.

    A pattern that takes too long for some line is searched no more, which is told too: a check that is not made has
    not passed.
    """

    def __init__(self, patterns: Sequence[re.Pattern[bytes]], spared: Sequence[str], found: Found) -> None:
        self._patterns = list(patterns)
        self._spared = spared
        self._found = found
        self._told: set[tuple[str, str]] = set()

    def hear(self, name: str, lines: bytes, at: float, stream: str) -> None:
        """Whole lines of `name` have come."""
        if name in self._spared:
            return
        for pattern in tuple(self._patterns):
            text = pattern.pattern.decode(errors="surrogateescape")
            if (text, name) not in self._told:
                self._search(pattern, text, name, lines)

    def _search(self, pattern: re.Pattern[bytes], text: str, name: str, lines: bytes) -> None:
        found = in_time(pattern, lines)
        if found is None:
            self._patterns.remove(pattern)
            why = f"{text} took longer than {PATIENCE:g} s for a line of {name} and is not searched any more"
            self._found(text, name, why, [])
        elif found:
            self._told.add((text, name))
            matches = [plain(line.strip(), LONGEST) for line in found.decode(errors="replace").split("\n")[:-1][:MOST]]
            self._found(text, name, f"{name} wrote what {text} matches: {matches[0]}", matches[1:])
