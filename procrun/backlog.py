"""The last output of each instance, kept in bounded memory for who asks later."""

from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

KEPT = 16 * 1024 * 1024
"""Bytes kept of all instances together, so long as each has its share."""

KEPT_OF_ONE = 1024 * 1024
"""Bytes kept of one instance at most."""


class Piece(NamedTuple):
    """Whole lines that came together: `number` orders the pieces of a run, `at` is the Unix time.

    `offset` is how many bytes of this instance came before: where two pieces do not meet, something is not kept.
    """

    number: int
    at: float
    name: str
    offset: int
    lines: bytes


class Backlog:
    """Takes pieces; each instance has its share, so that one which floods does not wash the others away."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Piece]] = {}
        self._sizes: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        self._last = 0
        self._waiting: list[Callable[[], None]] = []

    def add(self, name: str, lines: bytes, at: float) -> None:
        """Keep whole lines of `name`, which came at `at`, and let go of what is too much."""
        kept = self._kept.setdefault(name, deque())
        offset = self._offsets.get(name, 0)
        self._last += 1
        kept.append(Piece(self._last, at, name, offset, lines))
        self._offsets[name] = offset + len(lines)
        size = self._sizes.get(name, 0) + len(lines)
        share = min(KEPT_OF_ONE, KEPT // len(self._kept))
        while size > share and len(kept) > 1:
            size -= len(kept.popleft().lines)
        self._sizes[name] = size
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()

    def after(self, number: int, names: Collection[str] = ()) -> list[Piece]:
        """What is kept behind the piece `number`, in the order it came; of these types and instances, if any."""
        found: list[Piece] = []
        for name in self._kept:
            if names and name not in names and name.rpartition(".")[0] not in names:
                continue
            for piece in reversed(self._kept[name]):
                if piece.number <= number:
                    break
                found.append(piece)
        return sorted(found)

    def once(self, call: Callable[[], None]) -> None:
        """Call it, once, when something more has come."""
        self._waiting.append(call)
