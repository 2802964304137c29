"""`procrun attach`: this terminal, connected to one instance."""

import os
import signal
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import Any, NoReturn

import click

from procrun.cli.click_options import process_names, takes
from procrun.cli.control import engine_of
from procrun.cli.options import APP
from procrun.control.protocol import (
    Answer,
    Attached,
    Done,
    Progress,
    Raw,
    Refused,
    Taken,
)
from procrun.core.errors import ControlError
from procrun.core.events import received, step
from procrun.core.text import clean
from procrun.engines.base import Engine, Run
from procrun.eventloop.loop import Loop, Timer
from procrun.output.ansi import tame
from procrun.system.terminal import Terminal

DETACH = b"\x1d"
"""Ctrl-], as telnet has it: no shell, editor or debugger needs it."""

KEYS_AT_ONCE = 32 * 1024
"""Bytes that are read and sent at once; a request may have twice that, and base64 makes four bytes of three."""

ANSWER_WITHIN = 0.5
"""Seconds without a word after the end of our input (`echo c | procrun attach web`), then we detach."""

ANSWERED_WITHIN = 5.0
"""The same in all, where the words do not end."""

CALM = b"\x1b[0m\x1b[?25h\x1b[?2004l"
"""No colour, a cursor, no brackets round what is pasted: what an instance may have left switched (ECMA-48, xterm)."""


@click.command("attach")
@takes(*APP)
@click.argument("name", shell_complete=process_names)
def attach_command(name: str, **where: Any) -> int:
    """Connect this terminal to one instance: what it writes comes raw, what you type goes to its stdin.

    With a terminal of its own (start --pty NAME) every key goes there, Ctrl-C too, and Ctrl-] detaches. Without one
    whole lines do, which is enough for pdb, byebug and IRB, and Ctrl-C detaches. The last lines it wrote come first.

    The first who attaches types, others only see. Where root attaches to another user's run, escape sequences are
    left out. To detach never harms the instance. Where standard input is no
    terminal it is sent, and the answer shown: echo c | procrun attach web
    """
    run, instance = _one(engine_of(where), name)
    return _Attachment(run, instance).serve()


def _one(engine: Engine, name: str) -> tuple[Run, str]:
    """The run and the instance that are meant. Raises ControlError where the name means several."""
    found = [
        (run, instance)
        for run, _ in engine.find((name,))
        for instance in run.states
        if name in (instance, instance.rpartition(".")[0])
    ]
    if len(found) > 1:
        names = ", ".join(sorted(instance for _, instance in found))
        raise ControlError(f"{name} is more than one; attach to one of them: {names}", 2)
    return found[0]


class _Attachment:
    def __init__(self, run: Run, instance: str) -> None:
        self._name = instance
        self._title = run.title
        self._loop = Loop()
        self._line = run.attach()
        self._terminal = Terminal(0) if os.isatty(0) else None
        self._raw = False
        self._status = 0
        self._fatal = 0
        self._fault: ControlError | None = None
        self._last_wish: Timer | None = None
        self._keys = bytearray()
        self._typing = False
        self._ended = False  # our input has
        foreign = os.isatty(1) and self._line.foreign
        self._shown: Callable[[bytes], bytes] = _tamed() if foreign else bytes

    def serve(self) -> int:
        """Until one side has enough; the exit status. Raises ControlError where the run refuses."""
        handlers: dict[int, Callable[[], None]] = {
            number: lambda number=number: self._end_by(number)  # type: ignore[misc]
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
        }
        handlers[signal.SIGINT] = self._detach
        handlers[signal.SIGWINCH] = self._resize
        handlers[signal.SIGTSTP] = self._suspend
        self._loop.signals(handlers)
        try:
            self._line.begin(self._name, *_size())
            self._loop.read(self._line.fileno(), self._answered)
            self._loop.run()
        finally:
            self._give_back()
            self._line.close()
        if self._fault is not None:
            raise self._fault
        if self._fatal:
            _die_of(self._fatal)
        return self._status

    # What the run says

    def _answered(self) -> None:
        for answer in self._line.answers():
            self._take(answer)
        if self._line.over and not self._loop.stopped:
            self._say(f"{self._title} has ended")
            self._loop.stop()

    def _take(self, answer: Answer) -> None:
        match answer:
            case Attached():
                self._begin(answer)
            case Raw():
                if answer.lost:
                    self._say(f"{answer.lost:,} bytes came too fast to be shown here")
                if not _write_all(1, self._shown(answer.data)):
                    self._loop.stop()  # nobody sees it
            case Progress():
                event = received(answer.name, answer.what, answer.seconds, answer.detail, answer.pid)
                self._say(f"{answer.name} {step(event)}")
            case Taken():
                self._taken(answer.dropped)
                return
            case Refused():
                self._fault = ControlError(answer.text, answer.exit_status)
                self._loop.stop()
            case Done():
                for note in answer.notes:
                    self._say(note)
                self._loop.stop()
        if not self._loop.stopped:
            self._line.more()
            self._linger()

    def _begin(self, attached: Attached) -> None:
        """Say how it is, and take keys where we may."""
        if not attached.writes:
            self._say(f"attached to {self._name} to look on: somebody else types; Ctrl-C detaches")
            return
        if self._terminal is not None and attached.terminal:
            self._say(f"attached to {self._name}; Ctrl-] detaches")
            self._raw = True
            self._terminal.raw()
        elif self._terminal is not None:
            how = f"`procrun start --pty {self._name}` gives it a terminal"
            self._say(f"attached to {self._name}: lines go to its stdin, Ctrl-C detaches; {how}")
        self._listen()

    # What is typed

    def _listen(self) -> None:
        try:
            self._loop.read(0, self._typed)
        except PermissionError:  # a plain file, which epoll(7) does not take: it can always be read
            self._loop.after(0, self._typed)

    def _typed(self) -> None:
        try:
            data = os.read(0, KEYS_AT_ONCE)
        except OSError:  # the terminal has hung up
            data = b""
        keys, detach, _ = data.partition(DETACH) if self._raw else (data, b"", b"")
        self._keys += keys[: KEYS_AT_ONCE - len(self._keys)]
        self._send_keys()
        if detach or (not data and self._terminal is not None):
            self._detach()
        elif not data:
            self._loop.forget(0)
            self._ended = True
            self._loop.after(ANSWERED_WITHIN, self._loop.stop)
            self._linger()
        elif not self._raw:
            self._loop.forget(0)  # what comes can wait until these are taken; Ctrl-] could not

    def _send_keys(self) -> None:
        """Those that wait go together, once the last ones are taken."""
        if self._keys and not self._typing:
            self._typing = True
            self._line.type(bytes(self._keys))
            self._keys.clear()

    def _taken(self, dropped: int) -> None:
        self._typing = False
        if dropped:
            self._say(f"{dropped:,} bytes did not reach {self._name}: it does not run, or reads nothing")
        self._send_keys()
        if not self._raw and not self._ended:
            self._listen()

    def _linger(self) -> None:
        """Our input has ended: a while for the answer."""
        if self._ended:
            if self._last_wish is not None:
                self._last_wish.cancel()
            self._last_wish = self._loop.after(ANSWER_WITHIN, self._loop.stop)

    # What happens to us

    def _detach(self) -> None:
        self._say(f"detached; {self._name} goes on")
        self._loop.stop()

    def _end_by(self, number: int) -> None:
        self._fatal = number
        self._loop.stop()

    def _resize(self) -> None:
        rows, columns = _size()
        if rows and columns:
            self._line.resize(rows, columns)

    def _suspend(self) -> None:
        """Told so by somebody: in raw mode Ctrl-Z is a byte."""
        self._give_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        if self._raw and self._terminal is not None:
            self._terminal.raw()

    def _give_back(self) -> None:
        if self._terminal is not None:
            if self._raw and os.isatty(1):
                _write_all(1, CALM)
            self._terminal.restore()

    def _say(self, text: str) -> None:
        end = "\r\n" if self._raw else "\n"
        _write_all(2, f"procrun: {clean(text)}{end}".encode())


def _tamed() -> Callable[[bytes], bytes]:
    """Makes each chunk harmless: root looks at what another user's process writes, and that user may be an enemy.

    A character that two chunks share is held back until it is whole, or it could be a control when they are put
    together.
    """
    whole = getincrementaldecoder("utf-8")("replace")
    return lambda data: tame(whole.decode(data).encode())


def _size() -> tuple[int, int]:
    """Rows and columns of our terminal, 0 where there is none."""
    try:
        columns, rows = os.get_terminal_size(0)
    except OSError:
        return 0, 0
    return rows, columns


def _write_all(fd: int, data: bytes) -> bool:
    """Whether it could be written."""
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        return False
    return True


def _die_of(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
