"""The last output of each instance, kept in bounded memory for who asks later."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from heapq import merge
from itertools import islice
from typing import NamedTuple

KEPT = 16 * 1024 * 1024
"""Bytes kept of all instances together, with what each piece costs."""

KEPT_OF_ONE = 1024 * 1024
"""Bytes kept of one instance at most."""

COST = 256
"""Bytes that a piece takes besides its lines: a writer of single short lines shall not take ten times its share."""


class Piece(NamedTuple):
    """Whole lines that came together: `number` orders the pieces of a run, `at` is the Unix time.

    `offset` is how many bytes of this instance came before: where two pieces do not meet, something is not kept.
    """

    number: int
    at: float
    name: str
    offset: int
    lines: bytes
    stream: str

    @property
    def end(self) -> int:
        """How many bytes of this instance there were behind it."""
        return self.offset + len(self.lines)


class Backlog:
    """Takes pieces; each instance has its share, so that one which floods does not wash the others away."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[Piece]] = {}
        self._sizes: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._let_go: dict[str, float] = {}
        self._waiting: list[Callable[[], None]] = []
        self.last = 0
        """The number of the latest piece."""
        self.closed = False
        """Nothing more will come."""

    def add(self, name: str, lines: bytes, at: float, stream: str) -> None:
        """Keep whole lines of `name`, which came at `at`, and let go of what is too much."""
        if name not in self._kept:
            self._kept[name], self._sizes[name], self._ends[name] = deque(), 0, 0
            for other in self._kept:
                self._trim(other)
        begin = self._ends[name]
        self._ends[name] = begin + len(lines)
        share = self._share()
        if len(lines) > share:
            lines = lines[-share:].partition(b"\n")[2]  # a line that is longer than the share itself is not kept
        self.last += 1
        self._kept[name].append(Piece(self.last, at, name, self._ends[name] - len(lines), lines, stream))
        self._sizes[name] += len(lines) + COST
        self._trim(name)
        self._wake()

    def close(self) -> None:
        """Tell who waits that nothing more will come."""
        self.closed = True
        self._wake()

    def after(self, number: int, names: Collection[str], most: int) -> list[Piece]:
        """What is kept behind the piece `number` in the order it came, up to `most` bytes, but one piece at least.

        Of these types and instances, if there are any.
        """
        found: list[Piece] = []
        for piece in merge(*(_behind(kept, number) for kept in self._of(names))):
            found.append(piece)
            most -= len(piece.lines)
            if most <= 0:
                break
        return found

    def before_last(self, count: int, names: Collection[str]) -> int:
        """The number behind which the last `count` lines of these are, and a few more maybe."""
        if count <= 0:
            return self.last
        for piece in merge(*(reversed(kept) for kept in self._of(names)), reverse=True):
            count -= piece.lines.count(b"\n")
            if count <= 0:
                return piece.number - 1
        return 0

    def before(self, since: float, names: Collection[str]) -> int:
        """The number behind which all of these is that came at the Unix time `since` or later."""
        from bisect import bisect_left  # where somebody asks: a library to load, before the first child

        places = (bisect_left(kept, since, key=lambda piece: piece.at) for kept in self._of(names))
        first = (kept[at].number for kept, at in zip(self._of(names), places, strict=True) if at < len(kept))
        return min(first, default=self.last + 1) - 1

    def ends(self) -> dict[str, int]:
        """How many bytes of each instance have come."""
        return dict(self._ends)

    def let_go(self, names: Collection[str], since: float) -> list[str]:
        """Those of these that wrote at the Unix time `since` or later what is no longer kept."""
        return [name for name, at in self._let_go.items() if at >= since and _named(name, names)]

    def once(self, call: Callable[[], None]) -> None:
        """Call it, once, when something more has come, or nothing will."""
        self._waiting.append(call)

    def _wake(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()

    def _of(self, names: Collection[str]) -> list[deque[Piece]]:
        return [kept for name, kept in self._kept.items() if _named(name, names)]

    def _share(self) -> int:
        return min(KEPT_OF_ONE, KEPT // len(self._kept))

    def _trim(self, name: str) -> None:
        kept, share = self._kept[name], self._share()
        while self._sizes[name] > share and len(kept) > 1:
            piece = kept.popleft()
            self._sizes[name] -= len(piece.lines) + COST
            self._let_go[name] = piece.at


def _behind(kept: deque[Piece], number: int) -> Iterator[Piece]:
    from bisect import bisect_right

    return islice(kept, bisect_right(kept, number, key=lambda piece: piece.number), None)


def _named(name: str, names: Collection[str]) -> bool:
    return not names or name in names or name.rpartition(".")[0] in names
