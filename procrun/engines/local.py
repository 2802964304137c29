"""Runs of this machine, each behind its control socket."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from procrun.control import client
from procrun.control.protocol import (
    LONGEST,
    LONGEST_ANSWER,
    Answer,
    Attach,
    Deploy,
    Deployed,
    Done,
    Final,
    Keys,
    Lines,
    Logs,
    More,
    Output,
    Progress,
    Quiet,
    Reload,
    Request,
    Resize,
    Restart,
    Row,
    Scale,
    Signal,
    Start,
    Stop,
    Turn,
    Wait,
    Watch,
    decode_answer,
    encode,
)
from procrun.core.errors import ControlError, NoRunError, VanishedError
from procrun.core.events import received
from procrun.engines.base import Heed, Operation, Outcome, Step
from procrun.system.host import process_table

ANSWER = 1.0
"""Seconds that the run has to say that the time is over."""

OnTurn = Callable[[Turn], Request]


class LocalConnection:
    """A line to one instance of the run whose socket is `path`. Raises OSError and SilentError."""

    def __init__(self, path: str) -> None:
        self.over = False
        self._path = path
        self._socket = client.connect(path)
        self._lines = Lines(LONGEST_ANSWER)

    @property
    def foreign(self) -> bool:
        """Whether the socket is another user's."""
        return os.stat(self._path).st_uid != os.getuid()

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def begin(self, name: str, rows: int, columns: int) -> None:
        """Attach to the instance of this name."""
        self._send(Attach(name, rows, columns))

    def answers(self) -> Iterator[Answer]:
        """Those that are whole by now."""
        try:
            data = self._socket.recv(LONGEST)
        except ConnectionResetError:
            data = b""
        self.over = not data
        for line in self._lines.take(data):
            yield decode_answer(line)

    def more(self) -> None:
        """Ask for the next answer."""
        self._send(More())

    def type(self, keys: bytes) -> None:
        """Send what was typed."""
        self._send(Keys(keys))

    def resize(self, rows: int, columns: int) -> None:
        """Say that the terminal has another size."""
        self._send(Resize(rows, columns))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, request: Request) -> None:
        """The run takes it at once, since no more than a few are on their way."""
        try:
            self._socket.sendall(encode(request))
        except (BrokenPipeError, ConnectionResetError):
            pass  # why it has hung up is still to be read


class LocalRun:
    """A run with its socket at `path`; `pid` is what it is known by, `since` the Unix time it began."""

    def __init__(self, found: client.Run) -> None:
        self.path = found.path
        self.pid = found.pid
        self.since = found.since
        self.states: Mapping[str, str] = found.states
        self.title = f"the run (pid {found.pid})"
        self._found = found

    def holds(self, name: str) -> bool:
        """Whether it has the instance or the process type `name`."""
        return self._found.holds(name)

    def ps(self, at_once: bool = False) -> list[Row]:
        """How each instance is."""
        return client.rows(self._found, client.HELLO_TIMEOUT if at_once else client.ROWS_TIMEOUT)

    def start(self, names: Sequence[str], wait: bool) -> Operation:
        """Start these that are down."""
        return self._operation(Start(list(names), wait))

    def stop(self, names: Sequence[str], timeout: float | None) -> Operation:
        """Stop these."""
        return self._operation(Stop(list(names), timeout))

    def restart(self, names: Sequence[str], timeout: float | None, rolling: bool) -> Operation:
        """Restart these."""
        return self._operation(Restart(list(names), timeout, rolling))

    def reload(self, dry_run: bool) -> Operation:
        """Read the plan again."""
        return self._operation(Reload(dry_run))

    def scale(self, formation: Mapping[str, int]) -> Operation:
        """Have so many instances of each type."""
        return self._operation(Scale(dict(formation)))

    def quiet(self, names: Sequence[str]) -> Operation:
        """Have these take no new work."""
        return self._operation(Quiet(list(names)))

    def signal(self, signal: str, names: Sequence[str], force: bool) -> Operation:
        """Send these a signal."""
        return self._operation(Signal(signal, list(names), force))

    def deploy(self, deploy: Deploy, work: Callable[[], Deployed]) -> Operation:
        """Quiet, have `work` done when the run says so, and restart."""
        return self._operation(deploy, lambda turn: work())

    def wait(self, names: Sequence[str], until: Literal["ready", "exit"], timeout: float | None) -> Outcome:
        """Wait until these are as wanted; the run itself knows when the time is over."""
        patience = None if timeout is None else timeout + ANSWER
        return _outcome(client.ask(self.path, Wait(list(names), until, timeout), timeout=patience))

    def watch(self, names: Sequence[str], heed: Heed) -> None:
        """Pass on what happens to these."""
        self._listen(Watch(list(names)), on_progress=_steps(heed))

    def logs(self, logs: Logs, take: Callable[[Output], None]) -> None:
        """Pass on what was written, and is."""

        def next_one(turn: Turn) -> Request:
            if isinstance(turn, Output):
                take(turn)
            return More()

        self._listen(logs, on_turn=next_one)

    def attach(self) -> LocalConnection:
        """A connection of its own."""
        return LocalConnection(self.path)

    def await_end(self) -> None:
        """Wait until its process is gone."""
        client.ended(self._found)

    def _operation(self, request: Request, on_turn: OnTurn | None = None) -> Operation:
        return lambda heed: _outcome(client.ask(self.path, request, on_progress=_steps(heed), on_turn=on_turn))

    def _listen(
        self,
        request: Request,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_turn: OnTurn | None = None,
    ) -> None:
        """Ask what is answered until the run is over. Raises ControlError where it hangs up before that."""
        try:
            client.ask(self.path, request, on_progress=on_progress, on_turn=on_turn)
        except VanishedError:
            if os.path.exists(self.path) and process_table.stat(self.pid) is not None:
                text = f"the procrun with pid {self.pid} has hung up: too much waited to be read here"
                raise ControlError(text) from None
        except OSError as error:
            raise ControlError(f"{self.path}: {error.strerror}") from None


class Local:
    """The runs of the folder `root` on this machine."""

    def __init__(self, root: str) -> None:
        self._root = root

    def runs(self) -> list[LocalRun]:
        """All of them; sockets that nobody answers on are cleared away."""
        return [LocalRun(run) for run in client.runs(self._root)]

    def find(self, names: Sequence[str], within: float | None = None) -> list[tuple[LocalRun, list[str]]]:
        """Each run that is meant, with those of `names` that it holds."""
        patience = min(within or client.HELLO_TIMEOUT, client.HELLO_TIMEOUT)
        return [(LocalRun(run), chosen) for run, chosen in client.find(self._root, names, patience)]

    def nothing_runs(self) -> NoRunError:
        """The error that names the folder, and the app above that may be meant instead."""
        return client.nothing_runs(self._root)


def _steps(heed: Heed) -> Callable[[Progress], None]:
    return lambda p: heed(Step(p.at, received(p.name, p.what, p.seconds, p.detail, p.pid)))


def _outcome(answer: Final) -> Outcome:
    if not isinstance(answer, Done):
        raise ControlError(f"the running procrun answered something else: {type(answer).__name__}")
    return Outcome(answer.failed, answer.notes)
