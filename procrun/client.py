"""Asks a running procrun: finds the runs of a folder, sends one request, hears its progress, returns its reply."""

import os
import select
import socket
from collections.abc import Callable, Sequence
from typing import NamedTuple

from procrun.errors import ControlError, NoRunError
from procrun.hints import there_are
from procrun.messages import (
    Final,
    Go,
    Hello,
    Progress,
    Ps,
    Refused,
    Request,
    Row,
    Status,
    Welcome,
    decode_answer,
    encode,
)
from procrun.rundir import sockets

HELLO_TIMEOUT = 5.0
"""Seconds a run may take to say who it is; longer than any pause of its loop."""


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
    """The runs of the folder `root`; sockets that nobody answers on are cleared away."""
    found = []
    for path in sockets(root):
        try:
            welcome = ask(path, Hello(), timeout=HELLO_TIMEOUT)
        except (ConnectionRefusedError, FileNotFoundError):
            _clear(path)
            continue
        except (OSError, ControlError):
            continue  # it is just ending, or it is another user's
        if isinstance(welcome, Welcome):
            found.append(Run(path, welcome.pid, welcome.since, welcome.states))
    return found


def find(root: str, names: Sequence[str]) -> list[tuple[Run, list[str]]]:
    """Each run of `root` that is meant, with those of `names` that it holds; all runs when no name is given.

    Raises NoRunError when nothing runs there, ControlError for a name that no run has.
    """
    there = runs(root)
    if not there:
        raise NoRunError(f"nothing runs in {root}; start it with `procrun start`")
    for name in names:
        if not any(run.holds(name) for run in there):
            known = sorted({n for run in there for i in run.states for n in (i, i.rpartition(".")[0])})
            raise ControlError(f'no process "{name}" here{there_are(known, name)}', 2)
    meant = [(run, [name for name in names if run.holds(name)]) for run in there]
    return [(run, chosen) for run, chosen in meant if chosen or not names]


def ask(
    path: str,
    request: Request,
    on_progress: Callable[[Progress], None] = lambda step: None,
    timeout: float | None = None,
    on_go: Callable[[], Request] | None = None,
) -> Final:
    """Send `request` to the run at `path` and wait for its final reply.

    When the run says Go, `on_go` does the client's part and returns the next request. Raises OSError where nobody
    listens, ControlError where the run refuses or vanishes.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(encode(request))
        with connection.makefile("rb") as lines:
            for line in lines:
                answer = decode_answer(line)
                if isinstance(answer, Progress):
                    on_progress(answer)
                elif isinstance(answer, Refused):
                    raise ControlError(answer.text, answer.exit_status)
                elif not isinstance(answer, Go):
                    return answer
                elif on_go is not None:
                    connection.sendall(encode(on_go()))
    raise ControlError("the running procrun ended before it could answer")


def rows(run: Run, timeout: float | None = None) -> list[Row]:
    """How each instance of `run` is. Raises as `ask` does; OSError also when `timeout` seconds bring no answer."""
    status = ask(run.path, Ps(), timeout=timeout)
    if not isinstance(status, Status):
        raise ControlError(f"the running procrun answered something else: {type(status).__name__}")
    return status.rows


def _clear(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def ended(run: Run) -> None:
    """Wait until the procrun of `run` is gone."""
    try:
        handle = os.pidfd_open(run.pid)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.poll()
    os.close(handle)
