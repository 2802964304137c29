"""Between front and supervisor: signals go down, a few words come up, and each sees the other's end."""

import os
import signal
from collections.abc import Callable
from typing import NamedTuple

from procrun.loop import Loop
from procrun.model import Step

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""The signals that stop everything."""

KNOWN = (*STOPPING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT)
"""The signals that mean something to procrun; the front passes them on."""

GONE = 0
"""Obeyed in place of a signal: the front is dead."""


class Link(NamedTuple):
    """The supervisor's ends of two pipes: `life` ends with the front, `news` takes lines for it."""

    life: int
    news: int

    def watch(self, loop: Loop, obey: Callable[[int], None]) -> None:
        """Call `obey` with GONE when the front is dead."""

        def ended() -> None:
            loop.forget(self.life)
            obey(GONE)

        loop.read(self.life, ended)

    def born(self, leader: int, pipe: int, rank: int, main_only: bool, first: Step) -> None:
        """A dyno was started; how the front shall stop it, if it has to."""
        self._tell(f"born {leader} {pipe} {rank} {int(main_only)} {first.signal} {first.wait}")

    def suspended(self) -> None:
        """The dynos stand still: the front may stop too."""
        self._tell("suspended")

    def wake(self) -> None:
        """Continue the front: everything ends, and a stopped one could not."""
        try:
            os.kill(os.getppid(), signal.SIGCONT)
        except OSError:
            pass

    def die_of(self, number: int) -> None:
        """The front shall end by this signal."""
        self._tell(f"die {number}")

    def _tell(self, line: str) -> None:
        try:
            os.write(self.news, line.encode() + b"\n")
        except OSError:
            pass  # a dead front is no fault here


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


def obey_at_once() -> None:
    """From here on a stopping signal ends this process by itself: before its loop runs, or when nothing is left."""
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
