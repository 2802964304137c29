"""Which lines of which instances are shown: some are hidden, some alone are wanted, some lines match."""

import re
from collections.abc import Callable, Iterable, Sequence

from procrun.core.text import PATIENCE, in_time, plain

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


class Choice:
    """`only` and `hidden` are process types or instances; of those shown, the lines in which `grep` is found.

    A pattern that takes longer than PATIENCE is given up, which `on_give_up` hears, and all lines are shown.
    """

    def __init__(
        self,
        only: Iterable[str] = (),
        hidden: Iterable[str] = (),
        grep: re.Pattern[bytes] | None = None,
        on_give_up: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._only = frozenset(only)
        self._hidden = frozenset(hidden)
        self._grep = grep
        self._on_give_up = on_give_up
        self._shown: dict[str, bool] = {}

    def shows(self, name: str) -> bool:
        """Whether the instance `name` is shown."""
        shown = self._shown.get(name)
        if shown is None:
            names = {name, name.rpartition(".")[0]}
            shown = self._shown[name] = not names & self._hidden and (not self._only or bool(names & self._only))
        return shown

    def toggle(self, name: str) -> bool:
        """Show the instance `name` from now on if it was hidden, hide it if not; whether it is shown now."""
        self._shown[name] = not self.shows(name)
        return self._shown[name]

    def pick(self, name: str, lines: bytes) -> bytes:
        """Those of the whole lines of `name` that are shown."""
        if not self.shows(name):
            return b""
        return lines if self._grep is None else self._found(self._grep, lines)

    def _found(self, grep: re.Pattern[bytes], lines: bytes) -> bytes:
        found = in_time(grep, lines)
        if found is None:
            self._grep, found = None, lines
            self._on_give_up(f"--grep took longer than {PATIENCE:g} s for some lines; from here on all are shown")
        return found
