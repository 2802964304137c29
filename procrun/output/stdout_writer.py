"""Puts bytes out without ever blocking the loop; what does not fit waits in bounded memory, what is lost is counted."""

import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from procrun.eventloop.loop import Loop
from procrun.output.line_buffer import Amount, measure
from procrun.system.host import pipes

if TYPE_CHECKING:
    from procrun.output.blocking_writer import Scribe

FULL = 1024 * 1024
"""Bytes waiting for the terminal or pipe at which processes are held back."""

OVERFLOW = 64 * FULL
"""Bytes waiting at which what more comes is counted and dropped: a process being stopped is read regardless.

procrun's own lines have FULL more: a flood does not wash away what is said of it.
"""

SMALL = 4096
"""Bytes below which what waits is put together: a million short lines would cost more in objects than in text."""


USUAL_PIPE = 64 * 1024
WIDE_PIPE = 256 * 1024
"""Bytes of a pipe whose reader is slower than those who write, while all of them write much: we wait less often."""

SOMEBODY_QUIET = 1.0
"""Seconds for which a pipe is not wide after a few lines have come: what is in it stands before the next of these."""

AHEAD = 256 * 1024
"""Bytes that may wait for a thread that writes: so much the next time, while others are read."""

AT_ONCE = 16
"""Pieces written at once: such small ones fill a pipe of the usual size."""


class _Mark(bytes):
    """No output, but our own word where some is missing; when it is lost itself, what it tells is untold again."""

    tells = Amount()


class Sink:
    """Everything that `write` takes comes out, in its order, or is counted in `dropped`.

    Where something was lost, `mark` gives the line that says so; it stands between whole lines, in that place. What
    was begun before a loss is finished behind it, so that no line is torn. `losses` grows with every loss: a line
    that stood unfinished does so no longer.
    """

    def __init__(
        self,
        loop: Loop,
        fd: int,
        on_drain: Callable[[], None],
        on_loss: Callable[[str], None],
        mark: Callable[[Amount], bytes],
    ) -> None:
        self._loop = loop
        self._on_drain = on_drain
        self._on_loss = on_loss
        self._mark = mark
        self._said = False
        self._waiting: deque[bytes] = deque()
        self._sent = 0  # bytes of the first one that are out
        self._size = 0
        self._torn = False  # what is out ends in the middle of a line
        self._watched = False
        self._room: int | None = None  # bytes of the pipe, once we have asked; 0 where they are not ours to change
        self._few = 0.0  # when a few lines came
        self._untold = Amount()
        self._scribe: Scribe | None = None
        self._fd = self._own(fd)
        self.losses = 0
        self.dropped = Amount()
        """What could not be shown."""

    @property
    def waits(self) -> bool:
        """Whether something waits for the reader: who writes much should be held back until `on_drain`."""
        return self._watched and (self._scribe is None or self._size > AHEAD)

    @property
    def full(self) -> bool:
        """Whether everybody should be held back until `on_drain`."""
        return self._size > FULL and self._watched

    def write(self, data: bytes, ours: bool = False) -> None:
        """Write now what fits, keep the rest, of `ours` a little more; never raises, never blocks."""
        room = OVERFLOW + FULL if ours else OVERFLOW
        if self._size + len(data) > room or (self._untold.size and not self._resume(ours)):
            self.losses += 1
            self._forget([data])
            return
        if len(data) < SMALL and not ours:
            self._few = time.monotonic()
            if self._room == WIDE_PIPE:
                self._fit()
        if self._waiting and len(self._waiting[-1]) < SMALL and not isinstance(self._waiting[-1], _Mark):
            self._waiting[-1] += data
        else:
            self._waiting.append(data)
        self._size += len(data)
        if not self._watched:
            self._flush()

    def close(self, patience: float) -> None:
        """Write what still waits; gives up after `patience` seconds without progress, and twice that in all."""
        poller = select.poll()
        if self._scribe is None:
            poller.register(self._fd, select.POLLOUT)
        else:
            poller.register(self._scribe.news, select.POLLIN)
        end = time.monotonic() + 2 * patience
        if self._untold.size:
            self._resume(ours=True)
        while self._size:
            before = self._size
            if self._watched:
                wait = min(patience, end - time.monotonic())
                if wait <= 0 or not poller.poll(wait * 1000):
                    break
            if self._watched and self._scribe is not None:
                self._scribe.deliver()
            else:
                self._flush()
            if not self._watched and self._size >= before:
                break  # the disk is still full
        if self._scribe is not None:
            self._scribe.end()
            self._is_out(self._scribe.out())
        self._forget(self._rest())

    def _own(self, fd: int) -> int:
        """A non-blocking description of our own: O_NONBLOCK on the shared one would change the parent shell's.

        Of a file it would have an offset of its own, and would block all the same while the disk stands still; of a
        socket and of another user's pipe there can be none. There a thread writes.
        """
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            try:
                return pipes.opened_anew(fd, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                pass
        from procrun.output.blocking_writer import Scribe

        self._scribe = Scribe(self._loop, fd, self._is_written)
        return fd

    def _flush(self) -> None:
        if self._scribe is not None:
            self._hand_over(self._scribe)
            return
        had_to_wait = self._watched
        try:
            while self._waiting:
                self._is_out(os.writev(self._fd, self._next()))
            self._watch(False)
        except BlockingIOError:
            self._watch(True)
            self._fit()
        except OSError as error:  # the reader has gone, the terminal was closed
            self._lose(error)
        if had_to_wait and not self._watched:
            self._on_drain()

    def _hand_over(self, scribe: "Scribe") -> None:
        self._watch(bool(self._waiting))
        if self._waiting:
            scribe.write(self._next())

    def _is_written(self, error: OSError | None) -> None:
        """The scribe is done."""
        assert self._scribe is not None
        self._is_out(self._scribe.out())
        if error is not None:
            self._lose(error)
            self._on_drain()
            return
        self._hand_over(self._scribe)
        if not self._watched:
            self._on_drain()

    def _next(self) -> list[memoryview | bytes]:
        """What is to be written next."""
        return [memoryview(self._waiting[0])[self._sent :], *islice(self._waiting, 1, AT_ONCE)]

    def _is_out(self, sent: int) -> None:
        """So many bytes more are out: whole pieces, and then a part of one."""
        self._size -= sent
        self._sent += sent
        while self._waiting and self._sent >= len(self._waiting[0]):
            data = self._waiting.popleft()
            self._sent -= len(data)
            self._torn = not data.endswith(b"\n")
        if self._sent:
            self._torn = not self._waiting[0].endswith(b"\n", 0, self._sent)

    # What is lost

    def _lose(self, error: OSError) -> None:
        """Say it once, and go on: a run does not depend on who looks at it. Only a line that is begun waits on."""
        self._say(error)
        self.losses += 1
        rest = self._rest()
        begun = self._begun(rest) if self._torn and rest else b""
        self._waiting.clear()
        if begun:
            self._waiting.append(begun)
        self._size, self._sent = len(begun), 0
        self._watch(False)
        self._forget(rest)

    def _begun(self, rest: list[bytes]) -> bytes:
        """The end of the line that is out in part, taken away from `rest`."""
        if isinstance(rest[0], _Mark):
            return _Mark(b"\n") if rest[0].tells.size else rest[0]
        line, newline, behind = rest[0].partition(b"\n")
        if not newline:
            return _Mark(b"\n")  # a prompt: its line will come whole
        rest[0] = behind
        return line + newline

    def _rest(self) -> list[bytes]:
        """What is not out yet."""
        rest = list(self._waiting)
        if rest and self._sent:
            if not isinstance(rest[0], _Mark):
                rest[0] = rest[0][self._sent :]
            elif self._torn:
                rest[0] = _Mark(rest[0][self._sent :])  # it is begun, so what it tells is as good as told
        return rest

    def _forget(self, pieces: list[bytes]) -> None:
        for data in pieces:
            if isinstance(data, _Mark):
                self._untold = self._untold.plus(data.tells)
            else:
                lost = measure(data)
                self._untold, self.dropped = self._untold.plus(lost), self.dropped.plus(lost)

    def _resume(self, ours: bool) -> bool:
        """Put the mark where something is missing, if lines are taken again: ours at once, others when enough is out.

        Otherwise a slow reader would get a few lines and a mark in turns.
        """
        if self.full and not ours:
            return False
        unfinished = not self._waiting[-1].endswith(b"\n") if self._waiting else self._torn
        line = _Mark((b"\n" if unfinished else b"") + self._mark(self._untold))
        line.tells, self._untold = self._untold, Amount()
        self._waiting.append(line)
        self._size += len(line)
        return True

    def _say(self, error: OSError) -> None:
        if not self._said:
            self._on_loss(f"standard output takes nothing more ({error.strerror}): lines are dropped, the run goes on")
        self._said = True

    def _fit(self) -> None:
        """More room in a pipe that is full, less where somebody writes little; another's size is left as it is."""
        wanted = WIDE_PIPE if time.monotonic() > self._few + SOMEBODY_QUIET else USUAL_PIPE
        try:
            if self._room is None:
                self._room = 0
                size = pipes.size(self._fd)
                self._room = size if size == USUAL_PIPE else 0
            if self._room not in (0, wanted):
                self._room = pipes.resize(self._fd, wanted)
        except OSError:
            pass  # it is none; or he has no more (pipe(7), pipe-user-pages-soft); or more is in it just now

    def _watch(self, wanted: bool) -> None:
        if self._scribe is None and wanted and not self._watched:
            self._loop.write(self._fd, self._flush)
        elif self._scribe is None and self._watched and not wanted:
            self._loop.forget(self._fd)
        self._watched = wanted
