"""A client that reads what the instances have written, and what they write: as fast as it asks, never faster."""

from collections.abc import Iterable, Sequence

from procrun.control.protocol import Done, Logs, More, Output, Request, Talk, Written
from procrun.core.errors import ControlError
from procrun.output.backlog import Backlog, Piece
from procrun.output.prefix import OURS
from procrun.supervise.handlers.context import Context, Send

AT_ONCE = 256 * 1024
"""Bytes of lines in one answer, at least one piece."""


def logs(context: Context, request: Logs, send: Send) -> Talk:
    """Begin a reading. Raises ControlError for a name that there is not."""
    context.named([name for name in request.names if name != OURS])
    reading = Reading(context.backlog, request, send)
    context.readers[:] = [*(other for other in context.readers if not other.over), reading]
    return reading.begin()


class Reading:
    """One reading of `backlog`, told to a client by `send`; `talk` is what the client may still say.

    Nothing is kept for a client but its place: what is let go before a slow one has come so far, it hears of.
    """

    def __init__(self, backlog: Backlog, request: Logs, send: Send) -> None:
        self.talk = Talk(self._vanished, self._more)
        self._backlog = backlog
        self._request = request
        self._send = send
        self._place = _begin(backlog, request)
        self._until = backlog.last  # what comes behind it is new
        self._ends: dict[str, int] = {}
        self._ends_then = backlog.ends()
        self._live = False
        self._asked = True
        self._waits = False
        self.over = False
        """Whether nothing more is to be sent."""

    def begin(self) -> Talk:
        """Send the first answer."""
        since = self._request.since
        gone = self._backlog.let_go(self._request.names, since) if since is not None else []
        self._answer([_word(f"not all that {name} has written since then is kept", since or 0.0) for name in gone])
        return self.talk

    def _more(self, request: Request) -> None:
        if not isinstance(request, More) or self._asked:
            raise ControlError("output is being read on this connection", 2)
        self._asked = True
        self._answer()

    def _vanished(self) -> None:
        self._asked = False
        self.over = True

    def _answer(self, first: Sequence[Written] = ()) -> None:
        """Send what there is, if it was asked for: first what was kept, then, for who follows, what comes."""
        if not self._asked:
            return
        pieces = [*first, *self._fetch()]
        if not pieces and not self._live and self._request.follow:
            self._live = True
            self._reply([])
        elif pieces:
            self._reply(pieces)
        elif not self._live or self._backlog.closed:
            self.over = True
            self._send(Done([], []))
        elif not self._waits:
            self._waits = True
            self._backlog.once(self._came)

    def _reply(self, pieces: list[Written]) -> None:
        self._asked = False
        self._send(Output(pieces, self._live))

    def _came(self) -> None:
        self._waits = False
        self._answer()

    def _fetch(self) -> Iterable[Written]:
        """What follows, and a word where something is no longer kept."""
        for piece in self._backlog.after(self._place, self._request.names, AT_ONCE):
            if not self._live and piece.number > self._until:
                return
            self._place = piece.number
            yield from self._gap(piece)
            if piece.lines:
                yield Written(piece.at, piece.name, piece.lines, piece.stream)

    def _gap(self, piece: Piece) -> Iterable[Written]:
        """What is missing before the piece; before the first that was kept nothing is."""
        then = self._ends_then.get(piece.name, 0) if self._live else piece.offset
        missing = piece.offset - self._ends.get(piece.name, then)
        self._ends[piece.name] = piece.end
        if missing > 0:
            yield _word(f"{missing:,} bytes of {piece.name} were written here, and are no longer kept", piece.at)


def _begin(backlog: Backlog, request: Logs) -> int:
    """The number of the piece behind which it begins."""
    last = 0 if request.last is None else backlog.before_last(request.last, request.names)
    return last if request.since is None else max(last, backlog.before(request.since, request.names))


def _word(text: str, at: float) -> Written:
    return Written(at, OURS, text.encode() + b"\n", OURS)
