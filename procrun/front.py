"""The tiny first process: it keeps the pid, the terminal's signals and the exit status, and outlives the supervisor.

It is forked before the heavy imports. The supervisor, its child, does everything else in a session of its own, so
that neither the terminal nor a signal to the process group reaches it except through here. When the supervisor dies,
its orphans come here (a subreaper) and are stopped; when the front dies, the supervisor sees its pipe end.
"""

import os
import signal
import stat
import sys
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, NoReturn

from procrun import proc
from procrun.loop import Loop, Timer
from procrun.model import Stat, Step
from procrun.stopping import DEFAULT_BUDGET, UNKILLABLE_AFTER, signal_name

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""The signals that stop everything."""

FORWARDED = (*STOPPING, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT)

GONE = 0
"""Read in place of a signal number: the front is dead."""


class Link(NamedTuple):
    """The supervisor's ends of its two pipes: `orders` brings signal numbers, `news` takes lines for the front."""

    orders: int
    news: int

    def listen(self, loop: Loop, obey: Callable[[int], None]) -> None:
        """Call `obey` with each signal number the front passes on, and with GONE when the front is dead."""

        def read() -> None:
            numbers = os.read(self.orders, 4096)
            if not numbers:
                loop.forget(self.orders)
            for number in numbers or (GONE,):
                obey(number)

        loop.read(self.orders, read)

    def tell(self, line: str) -> None:
        """Send the front a line; a dead front is no fault here."""
        try:
            os.write(self.news, line.encode() + b"\n")
        except OSError:
            pass

    def born(self, leader: int, rank: int, main_only: bool, first: Step) -> None:
        """A dyno was started; how the front shall stop it, if it has to: lower ranks first."""
        self.tell(f"born {leader} {rank} {int(main_only)} {first.signal} {first.wait}")

    def suspended(self) -> None:
        """The dynos stand still: the front may stop too."""
        self.tell("suspended")

    def wake(self) -> None:
        """Continue the front: everything ends, and a stopped one could not."""
        try:
            os.kill(os.getppid(), signal.SIGCONT)
        except OSError:
            pass

    def die_of(self, number: int) -> None:
        """The front shall end by this signal."""
        self.tell(f"die {number}")


def lead(supervise: Callable[[Link], int]) -> NoReturn:
    """Fork: the child runs `supervise` and exits with its status, this process becomes the front."""
    _open_standard_descriptors()
    orders, orders_writer = os.pipe()
    news, news_writer = os.pipe()
    # A signal that comes before its handler is there waits; `listen_to` lets it through.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    supervisor = os.fork()
    if supervisor == 0:
        os.close(orders_writer)
        os.close(news)
        os.setsid()
        sys.exit(supervise(Link(orders, news_writer)))
    os.close(orders)
    os.close(news_writer)
    _Front(supervisor, orders_writer, news).run()


def listen_to(loop: Loop, act: Callable[[int], None], reap: Callable[[], None]) -> None:
    """Have the loop act on every signal that procrun knows, and reap on SIGCHLD.

    INT and QUIT are taken even where the shell's `&` had them ignored; an ignored HUP (nohup) stays ignored.
    """
    handlers: dict[int, Callable[[], None]] = {signal.SIGCHLD: reap}
    for number in FORWARDED:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            handlers[number] = lambda number=number: act(number)  # type: ignore[misc]
    loop.signals(handlers)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _open_standard_descriptors() -> None:
    """Whoever closed 0, 1 or 2 (`>&-`) shall not have a pipe of ours in its place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)


class _Dyno(NamedTuple):
    """How to stop what belongs to a session."""

    rank: int
    main_only: bool
    first: Step


_UNKNOWN = _Dyno(0, False, Step(signal.SIGTERM, DEFAULT_BUDGET))


class _Front:
    def __init__(self, supervisor: int, orders: int, news: int) -> None:
        self._supervisor = supervisor
        self._orders = orders
        self._news = news
        self._loop = Loop()
        self._dynos: dict[int, _Dyno] = {}
        self._rest = ""
        self._status = 0
        self._fatal = 0
        self._rank = -1
        self._begun = 0.0
        self._deadline: Timer | None = None
        self._killing = False

    def run(self) -> NoReturn:
        listen_to(self._loop, self._pass_on, self._reap)
        self._loop.read(self._news, self._hear)
        proc.become_subreaper()
        self._reap()  # it may have ended before SIGCHLD had its handler
        self._loop.run()
        self._leave()

    def _pass_on(self, number: int) -> None:
        if self._begun:
            if number in STOPPING:
                self._kill()
            return
        try:
            os.write(self._orders, bytes([number]))
        except OSError:
            pass  # it has just died: SIGCHLD comes next

    def _hear(self) -> None:
        data = os.read(self._news, 65536)
        if not data:
            self._loop.forget(self._news)
        *lines, self._rest = (self._rest + data.decode()).split("\n")
        for line in lines:
            word, _, value = line.partition(" ")
            if word == "born":
                leader, rank, main_only, number, wait = value.split()
                self._dynos[int(leader)] = _Dyno(int(rank), main_only == "1", Step(int(number), float(wait)))
            elif word == "die":
                self._fatal = int(value)
            elif word == "suspended":
                os.kill(os.getpid(), signal.SIGSTOP)  # the shell shows the job as stopped; `fg` sends CONT

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._supervisor:
                self._supervisor = 0
                self._hear_all()
                self._status = os.waitstatus_to_exitcode(status)
        if not self._supervisor:
            self._stop_orphans()

    def _hear_all(self) -> None:
        """The supervisor's last words; its end of the pipe is closed, so this ends."""
        os.set_blocking(self._news, False)
        try:
            while self._news in self._loop:
                self._hear()
        except BlockingIOError:
            pass

    def _stop_orphans(self) -> None:
        """The supervisor is dead: stop what it left, rank after rank, each with its budget, KILL at its end."""
        left = proc.descendants(os.getpid(), proc.snapshot())
        if not left:
            if self._begun and self._loop.running:
                self._say("everything is gone")
            self._loop.stop()
            return
        if not self._begun:
            self._say(f"the supervisor ended ({self._how()}); stopping what it left: {len(left)}, stores last")
            self._read_for(left)
        rank = min(self._dyno(row).rank for row in left)
        stage = [row for row in left if self._dyno(row).rank == rank]
        if rank != self._rank:
            self._begin_stage(rank, stage)
        elif self._killing:
            self._signal(stage, signal.SIGKILL)

    def _begin_stage(self, rank: int, stage: list[Stat]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._rank, self._killing = rank, False
        for row in stage:
            dyno = self._dyno(row)
            if not dyno.main_only or row.pid == row.sid:
                self._signal([row], dyno.first.signal)
        self._begun = monotonic()
        wait = max(self._dyno(row).first.wait for row in stage)
        self._deadline = self._loop.at(self._begun + wait, self._kill)

    def _dyno(self, row: Stat) -> _Dyno:
        return self._dynos.get(row.sid, _UNKNOWN)

    def _read_for(self, left: list[Stat]) -> None:
        """Read what they write, and drop it: without a reader a worker dies, or hangs, before it saves its jobs."""
        seen = set()
        for row in left:
            for fd in (1, 2):
                try:
                    path = f"/proc/{row.pid}/fd/{fd}"
                    found = os.stat(path)
                    if stat.S_ISFIFO(found.st_mode) and found.st_ino not in seen:
                        seen.add(found.st_ino)
                        self._drain(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                except OSError:
                    pass  # gone meanwhile

    def _drain(self, pipe: int) -> None:
        def read() -> None:
            if not os.read(pipe, 65536):
                self._loop.forget(pipe)

        self._loop.read(pipe, read)

    def _kill(self) -> None:
        if self._killing:
            return
        self._killing = True
        left = proc.descendants(os.getpid(), proc.snapshot())
        stage = [row for row in left if self._dyno(row).rank == self._rank]
        for row in stage:
            self._say(f"KILL after {monotonic() - self._begun:.2f} s: pid {row.pid} ({proc.title(row.pid)})")
        self._signal(stage, signal.SIGKILL)
        self._deadline = self._loop.after(UNKILLABLE_AFTER, self._loop.stop)

    def _signal(self, rows: list[Stat], number: int) -> None:
        for row in rows:
            try:
                proc.send(number, row)
                if number != signal.SIGKILL:
                    proc.send(signal.SIGCONT, row)
            except PermissionError:
                self._say(f"pid {row.pid} ({proc.title(row.pid)}) is another user's, left alone")

    def _how(self) -> str:
        return f"killed by {signal_name(-self._status)}" if self._status < 0 else f"exit {self._status}"

    def _say(self, text: str) -> None:
        try:
            os.write(2, f"procrun: {text}\n".encode())
        except OSError:
            pass

    def _leave(self) -> NoReturn:
        """End as the supervisor did, or of the signal that procrun was told to stop with, so that a shell sees it."""
        if self._fatal:
            signal.signal(self._fatal, signal.SIG_DFL)
            os.kill(os.getpid(), self._fatal)
            os._exit(128 + self._fatal)  # pid 1 does not die of a signal
        os._exit(self._status if self._status >= 0 else 128 - self._status)
