"""The tiny first process: it keeps the pid, the terminal's signals and the exit status, and outlives the supervisor.

It is forked before the heavy imports. The supervisor, its child, does everything else in a session of its own, so
that neither the terminal nor a signal to the process group reaches it except through here. When the supervisor dies,
its orphans come here (a subreaper) and are stopped; when the front dies, the supervisor sees its pipe end.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from procrun.core import descriptors
from procrun.core.errors import ConfigError, require_processes
from procrun.core.spec import Step
from procrun.eventloop import stderr
from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import PATIENCE
from procrun.run.guardian_link import Link, Presses, listen_to
from procrun.system import limits
from procrun.system.host import process_table, subreaper
from procrun.system.limits import EXHAUSTED
from procrun.system.signals import KNOWN, STOPPING, obey_at_once, signal_name
from procrun.system.types import Stat

HEARD_WITHIN = 5.0
"""Seconds that the supervisor has to answer a signal that stops everything, or to say anything at all."""

if TYPE_CHECKING:
    from procrun.run.key_reader import Keys

LOOK_AGAIN_AFTER = 0.1
"""Seconds until the front looks again for what it must stop, where it had no descriptor to look with."""

LOOK_FOR_STRANGERS = 0.5
"""Seconds between two looks at who has come to the front, where others than the supervisor were below it at the start.

A process whose parent was somebody else's child comes without a signal. So long a newcomer may be unknown.
"""


def lead(supervise: Callable[[Link], int], keys: bool = False) -> NoReturn:
    """Fork: the child runs `supervise` and exits with its status, this process becomes the front.

    With `keys` those pressed on the terminal are passed on, where there is one and it is ours. It is somebody else's
    where INT is ignored: a shell without job control starts what stands before a `&` so (POSIX, 2.11), and has the
    terminal for what comes next in the script. Raises ConfigError, with nothing started, where there can be no second
    process, too few descriptors for one, or no /proc to see it in.
    """
    require_processes()
    keys = keys and os.isatty(0) and os.isatty(1) and signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    descriptors.reserve(descriptors.STANDING + 1)
    # Before the supervisor can start anything, and die of a KILL. It needs ctypes itself, so that costs no time.
    subreaper.become_subreaper()
    others = _others()
    own = process_table.identity(os.getpid())
    life, life_writer = os.pipe()
    news, news_writer = os.pipe()
    # A signal that comes before its handler is there waits; `listen_to` lets it through.
    signal.pthread_sigmask(signal.SIG_BLOCK, KNOWN)
    try:
        supervisor = os.fork()
    except OSError as error:
        raise ConfigError(f"cannot be started: {limits.why(error)}", "the supervisor") from None
    if supervisor == 0:
        os.close(life_writer)
        os.close(news)
        os.setsid()
        obey_at_once()
        _end(supervise(Link(life, news_writer, own)))
    gc.enable()
    os.close(life)
    os.close(news_writer)
    _Front(supervisor, news, others, life_writer if keys else -1).run()


def _end(status: int) -> NoReturn:
    """End at once: at Python's own end each thread leaves by pthread_exit(3), which aborts where there is no memory."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: it was closed when Python began
        try:
            stream.flush()
        except (OSError, ValueError, MemoryError):
            pass
    os._exit(status & 0xFF)


def _others() -> list[Stat]:
    """What is not ours although it is below us, and may become our child: `cron & exec procrun start`."""
    return process_table.descendants(os.getpid(), process_table.snapshot()) if process_table.children() else []


class _Front:
    def __init__(self, supervisor: int, news: int, others: list[Stat], life: int) -> None:
        self._supervisor = supervisor
        self._known = {supervisor}
        self._expect_strangers = bool(others) or os.getpid() == 1
        self._news = news
        self._rest = ""
        self._status = 0
        self._fatal = 0
        self._record = ""
        self._over = True
        self._ended_well = False
        self._unheard: Timer | None = None
        self._presses = Presses()
        self._continued = False
        self._loop = Loop()
        # In this process, while the supervisor reads its plan in the other.
        from procrun.recovery.orphans import Dyno, Rescue
        from procrun.recovery.run_record import leave_word
        from procrun.system.process_tree import Family

        self._keys: Keys | None = None
        if life >= 0:
            from procrun.run import key_reader as keys

            self._keys = keys.Keys(self._loop, life)
        self._dyno = Dyno
        self._leave_word = leave_word
        family = Family(process_table.identity(supervisor))
        sessions = {os.getsid(0)} | {row.sid for row in others}
        self._rescue = Rescue(self._loop, family, self._loop.stop, lambda _: self._over, sessions, others)

    def run(self) -> NoReturn:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # `stty tostop`: a word of ours must not stop us
        listen_to(self._loop, self._pass_on, self._reap)
        signal.signal(signal.SIGCONT, self._note_continued)
        self._loop.read(self._news, self._hear)
        self._loop.after(0, self._reap)  # it may have ended before SIGCHLD had its handler
        self._listen()
        if self._expect_strangers:
            self._look_for_strangers()
        try:
            while not self._loop.stopped:
                self._serve()
        finally:
            self._give_back()
        self._leave()

    def _listen(self) -> None:
        if self._keys is not None:
            self._keys.listen()

    def _give_back(self) -> None:
        if self._keys is not None:
            self._keys.rest()

    def _serve(self) -> None:
        """Run the loop; where descriptors or memory have run out stay, and look again: nobody else would."""
        try:
            self._loop.run()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._loop.after(LOOK_AGAIN_AFTER, lambda: self._rescue.check(self._why()))

    def _pass_on(self, number: int) -> None:
        press = self._presses.heard() if number == signal.SIGINT else 0
        if not self._supervisor:
            if press:
                self._hurry(press)
            return
        os.kill(self._supervisor, number)
        if number in (signal.SIGTSTP, signal.SIGCONT):
            self._continued = number == signal.SIGCONT
        if number == signal.SIGCONT:
            self._listen()  # the shell's fg
        if number in STOPPING:
            os.kill(self._supervisor, signal.SIGCONT)  # somebody may have stopped it
            if self._unheard is None:
                self._expect_a_word()

    def _expect_a_word(self) -> None:
        if self._unheard is not None:
            self._unheard.cancel()
        self._unheard = self._loop.after(HEARD_WITHIN, self._do_without)

    def _hurry(self, press: int) -> None:
        """As in a stop by the supervisor: a first Ctrl-C only says so, a further TERM hastens nothing."""
        if press == 1:
            stderr.tell("everything is being stopped already; Ctrl-C again kills")
        else:
            stderr.tell("Ctrl-C again: KILL now")
            self._rescue.hurry()

    def _do_without(self) -> None:
        """The supervisor hangs: end it, and stop everything from here."""
        if self._supervisor:
            stderr.tell(f"the supervisor (pid {self._supervisor}) gave no answer for {HEARD_WITHIN:g} s; it is killed")
            os.kill(self._supervisor, signal.SIGKILL)

    def _hear(self) -> None:
        self._take_words()

    def _take_words(self) -> bool:
        """Obey the supervisor's words; False when there are no more."""
        try:
            data = os.read(self._news, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._loop.forget(self._news)
        elif self._unheard is not None:
            self._expect_a_word()  # it lives: to start 1,000 instances takes its time
        *lines, self._rest = (self._rest + data.decode()).split("\n")
        for line in lines:
            word, _, value = line.partition(" ")
            if word == "born":
                name, leader, pipes, rank, to_all, number, wait = value.split()
                first = Step(int(number), float(wait))
                inodes = tuple(filter(None, map(int, pipes.split(","))))
                self._rescue.born(self._dyno(name, int(leader), inodes, int(rank), to_all == "1", first))
                self._over = False
            elif word == "signalled":
                name, when = value.split()
                self._rescue.signalled(name, float(when))
            elif word == "heard" and self._unheard is not None:
                self._unheard.cancel()
                self._unheard = None
            elif word == "record":
                self._record = os.fsdecode(bytes.fromhex(value))
            elif word == "over":
                self._over = self._ended_well = True
                self._fatal, self._status = map(int, value.split())
                self._loop.after(PATIENCE, self._loop.stop)  # it cannot end while it writes to a disk that stands still
            elif word == "suspended" and self._supervisor:
                self._suspend()
        return bool(data)

    def _note_continued(self, number: int, frame: object) -> None:
        """At once, as a stop may be just ahead; the loop passes it on."""
        self._continued = True

    def _suspend(self) -> None:
        """Stop as the terminal meant it; where no shell could continue it, the kernel lets TSTP pass (signal(7)).

        Not where CONT has come since: nobody would send another one.
        """
        if self._continued:
            self._pass_on(signal.SIGCONT)
            return
        self._give_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        self._pass_on(signal.SIGCONT)

    def _look_for_strangers(self) -> None:
        self._note_strangers()
        if self._supervisor:
            self._loop.after(LOOK_FOR_STRANGERS, self._look_for_strangers)

    def _note_strangers(self) -> None:
        """Note who has come to the front while the supervisor lives: its own orphans come to it, a subreaper itself.

        It is looked at last: who was here while it lived had come before its end.
        """
        if not self._supervisor:
            return
        try:
            here = process_table.children()
            new = [row for row in map(process_table.stat, here - self._known) if row is not None]
            supervisor = process_table.stat(self._supervisor)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            return
        if supervisor is not None and supervisor.alive:
            self._known = here | {self._supervisor}
            self._rescue.spare(new)

    def _reap(self) -> None:
        self._note_strangers()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._supervisor:
                self._supervisor = 0
                self._status = os.waitstatus_to_exitcode(status)
                os.set_blocking(self._news, False)
                while self._take_words():
                    pass  # its last words
        if self._supervisor or self._loop.stopped:
            return
        if self._ended_well or (self._over and os.getpid() == 1):
            self._loop.stop()  # what is left was to live (`no_kill`), or was never ours (`docker exec`)
        else:
            self._rescue.check(self._why())

    def _why(self) -> str:
        how = f"killed by {signal_name(-self._status)}" if self._status < 0 else f"exit {self._status}"
        return f"the supervisor ended ({how})"

    def _leave(self) -> NoReturn:
        """End as the supervisor did, or of the signal that procrun was told to stop with, so that a shell sees it."""
        how = f"was killed by {signal_name(-self._status)}" if self._status < 0 else f"ended (exit {self._status})"
        if not self._supervisor:
            self._leave_word(self._record, f"its supervisor {how}", self._rescue.stopped)
        number = self._fatal or (-self._status if -self._status in STOPPING else 0)
        if number:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # QUIT means no fault of ours
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            os._exit(128 + number)  # pid 1 does not die of a signal
        os._exit(self._status if self._status >= 0 else 128 - self._status)
