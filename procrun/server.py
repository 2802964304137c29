"""The control socket's end in the supervisor: it acts on a request, and replies once that has happened."""

import os
import socket
import struct
from collections.abc import Callable, Iterable
from time import monotonic

from procrun import proc
from procrun.errors import ControlError, ProcrunError
from procrun.lifecycle import State
from procrun.loop import Loop
from procrun.messages import (
    LONGEST,
    Done,
    Final,
    Hello,
    Progress,
    Ps,
    Request,
    Restart,
    Row,
    Scale,
    Start,
    Status,
    Stop,
    Welcome,
    decode_request,
    encode,
)
from procrun.messages import Refused as RefusedReply
from procrun.model import Happening, Spec, Step
from procrun.process import Process
from procrun.stopping import describe, dyno_sequence
from procrun.supervisor import Errand, Supervisor, Verdict

UNREAD = 1024 * 1024
"""Bytes of answers that wait for a client; one that lets more pile up is hung up on."""

Expand = Callable[[str, int], Iterable[Spec]]
"""`expand("web", 3)`: the specs of the first three instances of a type. Raises ConfigError."""


class Server:
    """Listens on `path` (mode 0600) and serves each client from the loop; it never blocks and never trusts.

    Raises OSError where there can be no socket.
    """

    def __init__(self, path: str, loop: Loop, desk: "Desk") -> None:
        self._path = path
        self._loop = loop
        self._desk = desk
        self._clients: set[_Client] = set()
        self._socket = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            self._socket.bind(path)
        finally:
            os.umask(before)
        self._socket.listen(128)
        self._socket.setblocking(False)
        loop.read(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Take the socket away; what clients are still owed is written if it can be at once."""
        try:
            os.unlink(self._path)
        except OSError:
            pass
        self._socket.close()
        for client in list(self._clients):
            client.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return  # it has gone again
        if _peer_uid(connection) not in (0, os.getuid()):
            connection.close()
            return
        self._clients.add(_Client(connection, self._loop, self._desk, self._clients.discard))


class _Client:
    """One connection: one request, any progress, one final reply, and hang up."""

    def __init__(
        self, connection: socket.socket, loop: Loop, desk: "Desk", on_close: Callable[["_Client"], None]
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._fd = connection.fileno()
        self._loop = loop
        self._desk = desk
        self._on_close = on_close
        self._input = b""
        self._output = b""
        self._ending = False
        self._cancel: Callable[[], None] = lambda: None
        loop.read(self._fd, self._readable)

    def send(self, message: Progress | Final) -> None:
        """Queue a line; a final one ends the connection once it is written."""
        self._output += encode(message)
        self._ending = self._ending or not isinstance(message, Progress)
        if len(self._output) > UNREAD:
            self.close()
        else:
            self._writable()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            self._fd = -1
            self._socket.close()
            self._cancel()
            self._on_close(self)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._input += data
        line, newline, _ = self._input.partition(b"\n")
        if newline:
            self._input = b""
            self._serve(line)
        elif len(self._input) > LONGEST:
            self._serve(b"")

    def _serve(self, line: bytes) -> None:
        try:
            self._cancel = self._desk.serve(decode_request(line), self.send)
        except ProcrunError as error:
            self.send(RefusedReply(str(error), error.exit_status))

    def _writable(self) -> None:
        if self._fd < 0:
            return
        try:
            sent = self._socket.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._output = self._output[sent:]
        self._loop.forget(self._fd)
        if self._output:
            self._loop.write(self._fd, self._writable)
        elif self._ending:
            self.close()
        else:
            self._loop.read(self._fd, self._readable)


Send = Callable[[Progress | Final], None]


class Desk:
    """Does what a request asks, by the supervisor; one method a request.

    `expand` makes specs for instances that the plan did not have; `notes` gives lines that go with a restart.
    """

    def __init__(self, supervisor: Supervisor, expand: Expand, notes: Callable[[], list[str]]) -> None:
        self._supervisor = supervisor
        self._expand = expand
        self._notes = notes

    def serve(self, request: Request, send: Send) -> Callable[[], None]:
        """Answer by `send`, now or later; what is returned is called when the client has gone.

        Raises ControlError and ConfigError for what cannot be done; nothing was done then.
        """
        match request:
            case Hello():
                send(self._welcome())
            case Ps():
                send(Status([self._row(process) for process in self._supervisor.processes.values()]))
            case Start():
                return self._start(request, send)
            case Stop():
                return self._stop(request, send)
            case Restart():
                return self._restart(request, send)
            case Scale():
                return self._scale(request, send)
        return lambda: None

    def _welcome(self) -> Welcome:
        states = {name: _state(process) for name, process in self._supervisor.processes.items()}
        return Welcome(os.getppid(), self._supervisor.since, states)

    def _row(self, process: Process) -> Row:
        rows = process.alive() if process.state is not State.DOWN else []
        uptime = monotonic() - process.started if rows else None
        cpu = proc.seconds(sum(row.cpu for row in rows))
        return Row(
            name=process.spec.name,
            state=_state(process),
            pid=process.pid or None,
            port=process.spec.port,
            uptime=uptime,
            restarts=process.restarts,
            cpu_seconds=round(cpu, 2),
            cpu_percent=round(100 * cpu / uptime, 1) if uptime else 0.0,
            memory=sum(proc.memory(row.pid) for row in rows),
            last_exit=describe(process.last_exit) if process.last_exit else None,
            command=process.spec.command,
        )

    def _start(self, request: Start, send: Send) -> Callable[[], None]:
        chosen = self._choose(request.names)
        return self._errand(chosen, send, Process.start)

    def _restart(self, request: Restart, send: Send) -> Callable[[], None]:
        chosen = self._choose(request.names)
        sequence = _sequence(request.timeout)
        return self._errand(chosen, send, lambda process: process.restart(sequence), self._notes())

    def _stop(self, request: Stop, send: Send) -> Callable[[], None]:
        chosen = self._choose(request.names)
        sequence = _sequence(request.timeout)
        cancel = self._errand(chosen, send, lambda process: process.stop(sequence), up=False)
        if not request.names:
            self._supervisor.on_end("`procrun stop` was called", Verdict(0))
        return cancel

    def _scale(self, request: Scale, send: Send) -> Callable[[], None]:
        wanted = [spec for type_, count in request.formation.items() for spec in self._expand(type_, count)]
        names = {spec.name for spec in wanted}
        running = self._supervisor.processes
        fewer = [p for p in running.values() if p.spec.type in request.formation and p.spec.name not in names]
        more = [spec for spec in wanted if spec.name not in running or not running[spec.name].wanted]

        def act() -> None:
            for process in fewer:
                process.stop()
            self._supervisor.start(more)

        def done(reply: Progress | Final) -> None:
            if isinstance(reply, Done):
                self._supervisor.remove(process.spec.name for process in fewer)
            send(reply)

        return self._errand_names(
            {p.spec.name for p in fewer} | {spec.name for spec in more}, {s.name for s in more}, done, act
        )

    def _errand(
        self,
        chosen: list[Process],
        send: Send,
        act: Callable[[Process], None],
        notes: Iterable[str] = (),
        up: bool = True,
    ) -> Callable[[], None]:
        def act_on_all() -> None:
            for process in chosen:
                act(process)

        names = {process.spec.name for process in chosen}
        return self._errand_names(names, names if up else set(), send, act_on_all, notes)

    def _errand_names(
        self, names: set[str], up: set[str], send: Send, act: Callable[[], object], notes: Iterable[str] = ()
    ) -> Callable[[], None]:
        """Act, pass every step on, and reply once all of `names` have settled; those of `up` must be up then."""
        begun = monotonic()
        running = self._supervisor.processes

        def progress(h: Happening) -> None:
            send(Progress(round(monotonic() - begun, 3), h.name, h.what, h.seconds, h.detail, h.pid))

        def done() -> None:
            failed = [name for name in sorted(up) if name not in running or running[name].state is not State.UP]
            send(Done(failed, list(notes)))

        errand = Errand(frozenset(names), progress, done)
        self._supervisor.carry_out(errand, act)
        return lambda: self._supervisor.forget(errand)

    def _choose(self, names: list[str]) -> list[Process]:
        """The instances that names of types and instances mean; all when there are none.

        Raises ControlError that lists the names there are.
        """
        if self._supervisor.verdict is not None:
            raise ControlError("this run is being stopped", 1)
        running = list(self._supervisor.processes.values())
        for name in names:
            if not any(name in (process.spec.name, process.spec.type) for process in running):
                there = ", ".join(sorted({p.spec.type for p in running} | {p.spec.name for p in running}))
                raise ControlError(f'no process "{name}" here; there are: {there}', 2)
        return [p for p in running if not names or p.spec.name in names or p.spec.type in names]


def _sequence(timeout: float | None) -> tuple[Step, ...] | None:
    """The stop sequence of a budget given with the request; None for each process's own."""
    return dyno_sequence(timeout) if timeout is not None else None


def _state(process: Process) -> str:
    return "restarting" if process.state is State.STOPPING and process.wanted else process.state.value


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)
