"""Clients attached to one instance: what it writes goes to them raw, and the keys of the first go to its stdin."""

from collections import deque

from procrun.control.protocol import (
    Answer,
    Attach,
    Attached,
    Done,
    Keys,
    More,
    Progress,
    Raw,
    Request,
    Resize,
    Taken,
    Talk,
)
from procrun.core.errors import ControlError
from procrun.core.events import Event, EventKind
from procrun.output.backlog import KEPT
from procrun.output.stdio import Window
from procrun.supervise.handlers.context import Context, Send
from procrun.supervise.instance import Instance

FIRST_LINES = 10
"""Lines of the past that are shown first."""

UNREAD = 256 * 1024
"""Bytes that wait for a client; what comes beyond is dropped and counted."""

AT_ONCE = 64 * 1024
"""Bytes in one answer, or a little more."""

UNREAD_STEPS = 1000
"""Answers that wait for a client; of a crash loop that nobody reads the rest is left out."""

TOLD = ("exited", "failed", "crashed", "given-up", "started", "waits")
"""What happens to an instance and is told."""


def attach(context: Context, request: Attach, send: Send) -> Talk:
    """Attach a client to the one instance that is meant. Raises ControlError where it is not one, or is down."""
    chosen = context.named(request.names)
    if len(chosen) != 1:
        names = ", ".join(process.spec.name for process in chosen)
        raise ControlError(f"{request.name} is more than one; attach to one of them: {names}", 2)
    process = chosen[0]
    if process.status.over:
        raise ControlError(f"{process.spec.name} is down; `procrun start {process.spec.name}` starts it", 1)
    return Attaching(context, process, send).begin(request)


class Attaching:
    """One client. It is sent the next piece when it asks for more: who stops reading keeps nobody waiting.

    The first to an instance writes, and as long as it lives no other.
    """

    def __init__(self, context: Context, process: Instance, send: Send) -> None:
        self._context = context
        self._process = process
        self._console = process.console
        self._send = send
        self._next: deque[bytearray | Answer] = deque()
        self._size = 0
        self._lost = 0
        self._asked = False
        self._typing = False

    def begin(self, request: Attach) -> Talk:
        """Say what there is, and the last lines first."""
        self._writes = self._context.typing.setdefault(self._process, self) is self
        self._resize(request.rows, request.columns)
        self._hear(self._past())
        self._console.hearers.append(self._hear)
        self._context.supervisor.watchers.append(self._watch)
        self._send(Attached(self._process.spec.name, self._console.terminal, self._writes))
        return Talk(self._vanished, self._take)

    def _past(self) -> bytes:
        backlog, names = self._context.backlog, (self._process.spec.name,)
        kept = b"".join(piece.lines for piece in backlog.after(backlog.before_last(FIRST_LINES, names), names, KEPT))
        lines = b"".join(line + b"\n" for line in kept.split(b"\n")[-FIRST_LINES - 1 : -1])
        if self._console.terminal:
            lines = lines.replace(b"\n", b"\r\n")
        return lines + self._console.unfinished()

    def _take(self, request: Request) -> None:
        match request:
            case More() if not self._asked:
                self._asked = True
                self._offer()
            case Keys() if self._writes and not self._typing:
                self._typing = True
                if not self._console.type(request.data, self._taken):
                    self._typing = False
                    self._send(Taken(len(request.data)))
            case Resize():
                self._resize(request.rows, request.columns)
            case _:
                raise ControlError("not now: this connection is attached, and waits for an answer or only reads", 2)

    def _taken(self) -> None:
        self._typing = False
        self._send(Taken())

    def _resize(self, rows: int, columns: int) -> None:
        if self._writes and rows and columns:
            self._console.fit(Window(rows, columns))

    def _hear(self, data: bytes) -> None:
        """It has written something."""
        if self._size + len(data) > UNREAD:
            self._lost += len(data)
            return
        self._own_up()
        last = self._next[-1] if self._next else None
        if isinstance(last, bytearray) and len(last) < AT_ONCE:
            last += data
        elif data:
            self._next.append(bytearray(data))
        self._size += len(data)
        self._offer()

    def _watch(self, process: Instance, event: Event) -> None:
        if process is not self._process:
            return
        if event.what in TOLD and len(self._next) < UNREAD_STEPS:
            self._next.append(Progress(0.0, *event))
        if event.what == EventKind.GONE and not process.status.wanted:
            self._own_up()
            self._next.append(Done([], [f"{process.spec.name} has ended: {event.detail}"]))
            self._leave()
        self._offer()

    def _own_up(self) -> None:
        if self._lost:
            self._next.append(Raw(b"", self._lost))
            self._lost = 0

    def _offer(self) -> None:
        """Send the next piece, if it is asked for."""
        if not self._next:
            self._own_up()
        if self._asked and self._next:
            self._asked = False
            piece = self._next.popleft()
            if isinstance(piece, bytearray):
                self._size -= len(piece)
                piece = Raw(bytes(piece))
            self._send(piece)

    def _leave(self) -> None:
        """Nothing of it is heard any more; who comes next may write."""
        if self._hear in self._console.hearers:
            self._console.hearers.remove(self._hear)
            self._context.supervisor.watchers.remove(self._watch)
        if self._context.typing.get(self._process) is self:
            del self._context.typing[self._process]
            self._console.fit(None)

    def _vanished(self) -> None:
        self._send = lambda answer: None
        self._leave()
