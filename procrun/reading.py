"""A client that reads what the instances have written, and what they write: as fast as it asks, never faster."""

import re
from collections import deque
from collections.abc import Callable, Iterable

from procrun.backlog import Backlog, Piece
from procrun.choice import matching
from procrun.errors import ControlError
from procrun.messages import Answer, Done, Logs, More, Output, Request, Talk, Written
from procrun.prefix import OURS
from procrun.values import regex

AT_ONCE = 256 * 1024
"""Bytes of lines in one answer, at least one piece."""


class Reading:
    """One reading of `backlog`, told to a client by `send`; `talk` is what the client may still say.

    Raises ControlError for what is no regular expression.
    """

    def __init__(self, backlog: Backlog, request: Logs, send: Callable[[Answer], None]) -> None:
        self.talk = Talk(self._vanished, self._more)
        self._backlog = backlog
        self._request = request
        self._send = send
        self._grep = _compiled(request.grep)
        self._number = 0
        self._ends: dict[str, int] = {}
        self._next: deque[Written] = deque()
        self._asked = True
        self._waits = False

    def begin(self) -> Talk:
        """Send the first answer."""
        pieces = list(self._fetch())
        if self._request.since is not None:
            pieces = [piece for piece in pieces if piece.at >= self._request.since]
        self._next.extend(pieces if self._request.last is None else last_lines(pieces, self._request.last))
        self._answer()
        return self.talk

    def _more(self, request: Request) -> None:
        if not isinstance(request, More) or self._asked:
            raise ControlError("output is being read on this connection", 2)
        self._asked = True
        self._answer()

    def _vanished(self) -> None:
        self._send = lambda answer: None
        self._asked = False

    def _answer(self) -> None:
        """Send what there is; nothing new is waited for, or ends it."""
        if not self._asked:
            return
        if not self._next and self._request.follow:
            self._next.extend(self._fetch())
        if self._next:
            self._asked = False
            self._send(Output(list(self._take())))
        elif not self._request.follow:
            self._send(Done([], []))
        elif not self._waits:
            self._waits = True
            self._backlog.once(self._came)

    def _came(self) -> None:
        self._waits = False
        self._answer()

    def _take(self) -> Iterable[Written]:
        size = 0
        while self._next and size < AT_ONCE:
            piece = self._next.popleft()
            size += len(piece.lines)
            yield piece

    def _fetch(self) -> Iterable[Written]:
        """What has come since the last look, as far as it counts, and a word where something is no longer kept."""
        for piece in self._backlog.after(self._number, self._request.names):
            self._number = piece.number
            yield from self._gap(piece)
            lines = matching(self._grep, piece.lines)
            if lines:
                yield Written(piece.at, piece.name, lines)

    def _gap(self, piece: Piece) -> Iterable[Written]:
        expected = self._ends.get(piece.name)
        self._ends[piece.name] = piece.offset + len(piece.lines)
        if expected is not None and piece.offset > expected:
            text = f"{piece.offset - expected:,} bytes of {piece.name} came too fast for this reader\n"
            yield Written(piece.at, OURS, text.encode())


def _compiled(grep: str | None) -> re.Pattern[bytes] | None:
    try:
        return None if grep is None else regex(grep)
    except ValueError as error:
        raise ControlError(str(error), 2) from None


def last_lines(pieces: list[Written], count: int) -> list[Written]:
    """The last `count` lines of them all."""
    found: list[Written] = []
    for piece in reversed(pieces):
        if count <= 0:
            break
        lines = piece.lines[:-1].split(b"\n")[-count:]
        count -= len(lines)
        found.append(Written(piece.at, piece.name, b"\n".join(lines) + b"\n"))
    return found[::-1]
