"""Between front and supervisor: signals go down, a few words come up, and each sees the other's end."""

import os
import select
import signal
from collections.abc import Callable, Sequence
from time import monotonic

from procrun.core.spec import Step
from procrun.eventloop.loop import Loop
from procrun.system.signals import KNOWN

DOUBLE_TAP = 0.3
"""Seconds in which a second INT is the same key press: npm and make pass on what the terminal has sent already."""

GONE = 0
"""Obeyed in place of a signal: the front is dead."""


class Presses:
    """Counts how often Ctrl-C was pressed: what comes within DOUBLE_TAP of a press is its echo."""

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def heard(self) -> int:
        """An INT has come: which press it is, from 1; 0 for an echo. Whoever hammers on the key is heard, too."""
        now = monotonic()
        if self._count and now - self._last <= DOUBLE_TAP:
            return 0
        self._count, self._last = self._count + 1, now
        return self._count


class Link:
    """The supervisor's ends of two pipes: `life` ends with the front, `news` takes lines for it.

    `front` is PID-STARTTICKS of the front, as it told before the fork: once the front is dead, getppid(2) names
    whoever has adopted the supervisor.

    A front that stands still (SIGSTOP, a debugger) reads nothing: what the pipe does not take waits, in its order.
    """

    def __init__(self, life: int, news: int, front: str) -> None:
        self.front = front
        self._life = life
        self._news = news
        self._untold = b""
        self._loop: Loop | None = None
        os.set_blocking(news, False)  # the front's end has a description of its own

    def watch(self, loop: Loop, obey: Callable[[int], None], press: Callable[[str], None]) -> None:
        """Call `obey` with GONE when the front is dead, `press` with each key that it passes on.

        From here on what waits is told when the pipe takes it.
        """

        def heard() -> None:
            keys = os.read(self._life, 4096)
            for key in keys.decode("ascii", "replace"):
                press(key)
            if not keys:
                loop.forget(self._life)
                obey(GONE)

        self._loop = loop
        loop.read(self._life, heard)

    def born(self, name: str, leader: int, pipes: Sequence[int], rank: int, to_all: bool, first: Step) -> None:
        """A dyno was started, perhaps again; how the front shall stop it, if it has to."""
        inodes = ",".join(map(str, pipes)) or "0"
        self._tell(f"born {name} {leader} {inodes} {rank} {int(to_all)} {first.signal} {first.wait}")

    def recorded(self, path: str) -> None:
        """Where the record of this run is, for the front to leave word in."""
        self._tell(f"record {os.fsencode(path).hex()}")

    def signalled(self, name: str) -> None:
        """A dyno was sent a signal that ends it just now; the front shall not send another one."""
        self._tell(f"signalled {name} {monotonic()}")

    def heard(self) -> None:
        """A stopping signal has arrived."""
        self._tell("heard")

    def suspended(self) -> None:
        """The dynos stand still: the front may stop too."""
        self._tell("suspended")

    @property
    def pid(self) -> int:
        """The pid by which the run is known: the front's, or once that is dead the supervisor's own."""
        front = int(self.front.partition("-")[0])
        return front if os.getppid() == front else os.getpid()

    def wake(self) -> None:
        """Continue the front: everything ends, and a stopped one could not."""
        try:
            os.kill(self.pid, signal.SIGCONT)
        except OSError:
            pass

    def over(self, number: int | None, status: int) -> None:
        """Everything is stopped; the front shall end by this signal, if one is given, or with this status.

        Waits for a front that stands still: nothing is left to do but this.
        """
        self._tell(f"over {number or 0} {status}")
        while self._untold:
            poller = select.poll()
            poller.register(self._news, select.POLLOUT)
            poller.poll()
            self._send()

    def _tell(self, line: str) -> None:
        waits = bool(self._untold)
        self._untold += line.encode() + b"\n"
        if not waits:
            self._send()

    def _send(self) -> None:
        """Write what the pipe takes now; the loop has the rest sent once it takes more."""
        try:
            self._untold = self._untold[os.write(self._news, self._untold) :]
        except BlockingIOError:
            pass
        except OSError:
            self._untold = b""  # a dead front is no fault here
        if self._loop is not None:
            self._loop.forget(self._news)
            if self._untold:
                self._loop.write(self._news, self._send)


def listen_to(loop: Loop, act: Callable[[int], None], reap: Callable[[], None]) -> None:
    """Have the loop act on every signal that procrun knows, and reap on SIGCHLD.

    INT and QUIT are taken even where the shell's `&` had them ignored; an ignored HUP (nohup) stays ignored. Signals
    that somebody had blocked for us are let through.
    """
    handlers: dict[int, Callable[[], None]] = {signal.SIGCHLD: reap}
    for number in KNOWN:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            handlers[number] = lambda number=number: act(number)  # type: ignore[misc]
    loop.signals(handlers)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
