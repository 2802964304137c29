"""Which lines of which instances are shown: some are hidden, some alone are wanted, some lines match."""

import re
from collections.abc import Callable, Iterable

from procrun.core.text import PATIENCE, in_time


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
