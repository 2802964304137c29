"""Asks a running procrun: finds the runs of a folder, sends one request, hears its progress, returns its reply."""

import os
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from time import monotonic, sleep
from typing import NamedTuple

from procrun.control.protocol import (
    LONGEST,
    LONGEST_ANSWER,
    Answer,
    Final,
    Hello,
    Lines,
    Progress,
    Ps,
    Refused,
    Request,
    Row,
    Status,
    Turn,
    Welcome,
    decode_answer,
    encode,
)
from procrun.core import run_dir
from procrun.core.errors import ControlError, NoRunError, SilentError, VanishedError
from procrun.core.run_dir import await_start, sockets
from procrun.core.text import plain, there_are
from procrun.system.host import limit_connect, peer, process_handles, process_signals, process_table
from procrun.system.types import Stat

HELLO_TIMEOUT = 5.0
"""Seconds a run may take to say who it is, and to send the rest of a line; longer than any pause of its loop."""

ROWS_TIMEOUT = 60.0
"""Seconds it may take to tell how all its instances are, of which there may be thousands."""


SHORTEST = 0.001
"""Seconds that are waited where none are left: 0 would mean not to wait at all."""


class Run(NamedTuple):
    """A running procrun of a folder."""

    path: str
    pid: int
    since: float
    states: dict[str, str]

    def holds(self, name: str) -> bool:
        """Whether it has the instance or the process type `name`."""
        return any(name in (instance, instance.rpartition(".")[0]) for instance in self.states)


def runs(root: str) -> list[Run]:
    """The runs of the folder `root`; sockets that nobody answers on are cleared away.

    Raises ControlError where a run is there and does not say what it has.
    """
    found, faults = _look(root, HELLO_TIMEOUT)
    if faults:
        raise faults[0]
    return found


def find(root: str, names: Sequence[str], within: float | None = None) -> list[tuple[Run, list[str]]]:
    """Each run of `root` that is meant, with those of `names` that it holds; all runs when no name is given.

    Waits `within` seconds, else HELLO_TIMEOUT, for a start that is under way, and for each run to say what it has.
    Raises NoRunError when nothing runs there, ControlError for a name that no run has, and where a run that may be
    meant does not say what it has.
    """
    within = HELLO_TIMEOUT if within is None else within
    there, faults = _look(root, within)
    missing = _missing(names, there)
    if not faults and (missing or not there):  # a start may be under way, or was when we looked
        await_start(root, within)
        there, faults = _look(root, within)
        missing = _missing(names, there)
    if faults and (missing or not names):
        raise faults[0]
    if not there:
        raise nothing_runs(root)
    if missing:
        known = sorted({n for run in there for i in run.states for n in (i, i.rpartition(".")[0])})
        raise ControlError(f'no process "{plain(missing[0])}" here{there_are(known, missing[0])}', 2)
    meant = [(run, [name for name in names if run.holds(name)]) for run in there]
    return [(run, chosen) for run, chosen in meant if chosen or not names]


def nothing_runs(root: str) -> NoRunError:
    """The error where `root` has no run; it names the app above that may be meant instead."""
    from procrun.core import nearby  # where nothing runs

    text = f"nothing runs in {root}"
    for folder in () if nearby.has(root) else nearby.above(root):
        if sockets(folder) and _look(folder, HELLO_TIMEOUT)[0]:
            return NoRunError(f"{text}; the app in {folder} runs: {nearby.go(folder)}")
        if nearby.has(folder):
            return NoRunError(f"{text}, nor in {folder}, where a Procfile is; {nearby.go(folder)} to start it")
    return NoRunError(f"{text}; start it with `procrun start`")


def ask(
    path: str,
    request: Request,
    on_progress: Callable[[Progress], None] = lambda step: None,
    timeout: float | None = None,
    on_turn: Callable[[Turn], Request] | None = None,
) -> Final:
    """Send `request` to the run at `path` and wait for its final reply.

    When the run says Go or sends Output, `on_turn` does the client's part and returns the next request. Without a
    `timeout` (seconds, for all of it) a run may be silent for as long as it says Welcome to others. Raises OSError
    where nobody listens, ControlError where the run refuses, SilentError where it does not answer, VanishedError if it
    ends.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        end = None if timeout is None else monotonic() + timeout
        _connect(connection, path)
        connection.settimeout(timeout or HELLO_TIMEOUT)
        _send(connection, request, path)
        for answer in _answers(connection, path, end):
            if isinstance(answer, Progress):
                on_progress(answer)
            elif isinstance(answer, Refused):
                raise ControlError(plain(answer.text, LONGEST), answer.exit_status)
            elif not isinstance(answer, Turn):
                return answer
            elif on_turn is not None:
                _send(connection, on_turn(answer), path)
    raise VanishedError("the running procrun ended before it could answer")


def connect(path: str) -> socket.socket:
    """A connection to the run at `path`, for a talk of one's own. Raises OSError, and SilentError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        _connect(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def rows(run: Run, timeout: float = ROWS_TIMEOUT) -> list[Row]:
    """How each instance of `run` is. Raises as `ask` does; SilentError also when `timeout` seconds bring no answer."""
    status = ask(run.path, Ps(), timeout=timeout)
    if not isinstance(status, Status):
        raise ControlError(f"the running procrun answered something else: {type(status).__name__}")
    return status.rows


def ended(run: Run) -> None:
    """Wait until the procrun of `run` is gone."""
    row = process_table.stat(run.pid)
    if row is None:
        return
    if process_handles.refusal():
        while process_table.lives(row):
            sleep(process_handles.LOOK_EVERY)
        return
    handle = process_signals.ending(row)
    if handle is None:
        return
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.poll()
    os.close(handle)


def _look(root: str, within: float) -> tuple[list[Run], list[ControlError]]:
    """The runs that answer in time, and what is wrong with those that are there and do not."""
    found: list[Run] = []
    faults: list[ControlError] = []
    for path in sockets(root):
        try:
            found.append(_hello(path, within))
        except (ConnectionRefusedError, FileNotFoundError):
            run_dir.remove(path)
        except (VanishedError, OSError):
            pass  # it is just ending, or it is another user's
        except ControlError as fault:
            faults.append(fault)
    return found, faults


def _hello(path: str, within: float) -> Run:
    """The run at `path`. What it says of its pid is believed where the kernel does not say otherwise."""
    with socket.socket(socket.AF_UNIX) as connection:
        end = monotonic() + within
        _connect(connection, path)
        listener = peer(connection).pid
        connection.settimeout(within)
        _send(connection, Hello(), path)
        for answer in _answers(connection, path, end):
            if isinstance(answer, Welcome):
                told = answer.pid if listener == 0 or _is_of(answer.pid, listener) else listener
                return Run(path, told, answer.since, answer.states)
            if isinstance(answer, Refused):
                raise ControlError(plain(answer.text, LONGEST), answer.exit_status)
    raise VanishedError("the running procrun ended before it could answer")


def _is_of(pid: int, listener: int) -> bool:
    """Whether `pid` is the process that listens or, as a front is, its parent and of the same user."""
    row = process_table.stat(listener)
    return pid == listener or (
        row is not None and row.ppid == pid and process_table.owner(pid) == process_table.owner(listener)
    )


def _missing(names: Sequence[str], there: Sequence[Run]) -> list[str]:
    return [name for name in names if not any(run.holds(name) for run in there)]


def _connect(connection: socket.socket, path: str) -> None:
    """Connect, and wait only so long while others are before us; Python's own timeout would not wait at all."""
    limit_connect(connection, int(HELLO_TIMEOUT))
    try:
        connection.connect(path)
    except BlockingIOError:
        raise _silent(path) from None


def _send(connection: socket.socket, request: Request, path: str) -> None:
    """A run that has hung up may have said why: that is still to be read."""
    try:
        connection.sendall(encode(request))
    except TimeoutError:
        raise _silent(path) from None
    except (BrokenPipeError, ConnectionResetError):
        pass


def _answers(connection: socket.socket, path: str, end: float | None) -> Iterator[Answer]:
    """Each line as it comes, until `end` (monotonic seconds): whoever sends a little now and then gains no time.

    Without an end who asks is patient, and when nothing comes asks whether the run still answers at all.
    """
    lines = Lines(LONGEST_ANSWER)
    whole_by = None
    while True:
        limit = min(when for when in (end, whole_by, monotonic() + HELLO_TIMEOUT) if when is not None)
        connection.settimeout(max(limit - monotonic(), SHORTEST))
        try:
            data = connection.recv(LONGEST)
        except TimeoutError:
            data = None
        except ConnectionResetError:
            return
        if data == b"":
            return
        if data is not None:
            answers = lines.take(data)
            yield from map(decode_answer, answers)
            if answers or whole_by is None:
                whole_by = monotonic() + HELLO_TIMEOUT if lines.begun else None
        if any(when is not None and monotonic() >= when for when in (end, whole_by)):
            raise _silent(path)
        if data is None:
            _still_answers(path)


def _still_answers(path: str) -> None:
    """Raises SilentError where the run does not."""
    try:
        ask(path, Hello(), timeout=HELLO_TIMEOUT)
    except SilentError:
        raise
    except (ControlError, OSError):
        pass  # it has too many clients, or is ending: what we wait for will tell


def _silent(path: str) -> SilentError:
    """What to say of a run that does not answer; its socket bears the supervisor's pid, if it is to be believed."""
    row = _supervisor(path)
    if row is None:
        return SilentError(f"nobody answers behind {path}, and its name is no process of its owner's", 124)
    front = row.ppid if _is_of(row.ppid, row.pid) else row.pid
    who = f"the procrun with pid {front} does not answer: its supervisor, pid {row.pid},"
    if row.state in "Tt":
        return SilentError(f"{who} is suspended; `kill -CONT {row.pid}` continues it", 124)
    return SilentError(f"{who} says nothing for {HELLO_TIMEOUT:g} s; `kill -KILL {row.pid}` has all of it stopped", 124)


def _supervisor(path: str) -> Stat | None:
    """The process by whose pid the socket is called, where it is one of the socket's owner; never pid 1."""
    pid = int(os.path.basename(path).removesuffix(".sock"))
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return None
    return process_table.stat(pid) if pid > 1 and process_table.owner(pid) == owner else None
