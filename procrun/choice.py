"""Which lines of which instances are shown: some are hidden, some alone are wanted, some lines match."""

import re
from collections.abc import Iterable


class Choice:
    """`only` and `hidden` are process types or instances; of those shown, the lines in which `grep` is found."""

    def __init__(
        self, only: Iterable[str] = (), hidden: Iterable[str] = (), grep: re.Pattern[bytes] | None = None
    ) -> None:
        self._only = frozenset(only)
        self._hidden = frozenset(hidden)
        self._grep = grep
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
        return matching(self._grep, lines)


def matching(grep: re.Pattern[bytes] | None, lines: bytes) -> bytes:
    """Those whole lines in which `grep` is found; all where it is None."""
    if grep is None:
        return lines
    return b"".join(line + b"\n" for line in lines[:-1].split(b"\n") if grep.search(line))
