"""Runs the real procrun in a folder, and waits for what it prints instead of for a clock."""

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

from procrun.system.linux import procfs, sockets

PROCRUN = [sys.executable, "-m", "procrun"]
PATIENCE = 90.0
"""Seconds after which something that should happen is said not to; generous, for slow machines."""

A_SECOND = r"(?:0\.9\d|[1-9]\.\d\d)"
"""In a report of how long something took to stop that takes one: it may begin before procrun looks at the clock."""

PROGRAMS = Path(__file__).parent / "children"
PYTHON = sys.executable


class Run:
    """One `procrun start`, its output read all the time; lines with `dropping` in them are not kept."""

    def __init__(self, popen: "subprocess.Popen[bytes]", dropping: str | None = None) -> None:
        self.popen = popen
        self.pid = popen.pid
        self._dropped = re.compile(rb"(?m)^.*%b.*\n" % dropping.encode()) if dropping else None
        self._output = bytearray()
        self._rest = b""
        self._news = threading.Condition()
        self._ended = False
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def output(self) -> str:
        """Everything so far, stdout and stderr: what procrun told before it answered a client is there."""
        return self.raw.decode(errors="surrogateescape")

    @property
    def raw(self) -> bytes:
        """The same as bytes."""
        with self._news:
            self._take()
            return bytes(self._output)

    def wait_for(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Wait until a line matches `pattern` for the `count`th time."""

        def found() -> bool:
            return len(re.findall(pattern, self.output, re.MULTILINE)) >= count or self._ended

        with self._news:
            self._news.wait_for(found, PATIENCE)
        matches = list(re.finditer(pattern, self.output, re.MULTILINE))
        assert len(matches) >= count, f"no {pattern!r} ({count}) in:\n{self.output}"
        return matches[count - 1]

    def signal(self, number: int) -> None:
        """Send procrun, and it alone, a signal."""
        self.popen.send_signal(number)

    def supervisor(self) -> int:
        """The pid of the front's one child."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text())

    def finish(self, number: int | None = None) -> int:
        """Wait for its end, after a signal if one is given; the exit status, -n for a death by signal n."""
        if number is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
        status = self.popen.wait(PATIENCE)
        self._thread.join(PATIENCE)
        return status

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as stream:
            some = select.poll()
            some.register(stream, select.POLLIN)
            while not self._ended:
                some.poll()
                with self._news:
                    self._take()

    def _take(self) -> None:
        """Take what the pipe holds; by whoever comes first, the reader or who asks what there is."""
        if self._ended:
            return
        assert self.popen.stdout is not None
        try:
            data = os.read(self.popen.stdout.fileno(), 1024 * 1024)
        except BlockingIOError:
            return
        self._ended = not data
        if self._dropped:
            data, newline, self._rest = (self._rest + data).rpartition(b"\n")
            data = self._dropped.sub(b"", data + newline)
        self._output += data
        self._news.notify_all()


class Background(subprocess.Popen[str]):
    """A `with` that a failure leaves does not wait for it."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)


class Folder:
    """An app's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[Run] = []
        self.commands: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the app."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def end(self) -> None:
        """End whatever of it still runs, each whatever the end of another raises."""
        with contextlib.ExitStack() as ends:
            for run in self.runs:
                ends.callback(run.finish, signal.SIGKILL)
            for command in self.commands:
                ends.enter_context(command)  # which waits for it, and closes its pipes
                ends.callback(command.kill)

    def procfile(self, *lines: str) -> None:
        """Write the Procfile."""
        self.write("Procfile", "\n".join(lines) + "\n")

    def start(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        dropping: str | None = None,
        before: Sequence[str] = (),
        verb: str = "start",
    ) -> Run:
        """`procrun start` in the background, behind what executes it, if anything is to; or another verb that runs."""
        popen = subprocess.Popen(
            [*before, *PROCRUN, verb, *arguments],
            cwd=self.path,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        run = Run(popen, dropping)
        self.runs.append(run)
        return run

    def background(self, *arguments: str) -> "subprocess.Popen[str]":
        """Any command, running on; it is ended with the test."""
        popen = Background(
            [*PROCRUN, *arguments],
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.commands.append(popen)
        return popen

    def procrun(
        self, *arguments: str, env: dict[str, str] | None = None, text: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Any command, to its end."""
        return subprocess.run(
            [*PROCRUN, *arguments],
            cwd=self.path,
            env={**os.environ, **(env or {})},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=PATIENCE * 2,
            check=False,
        )


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that announces itself to nobody (a process's end seen in /proc)."""
    deadline = monotonic() + PATIENCE
    while not true():
        assert monotonic() < deadline, f"never: {what}"
        sleep(0.01)


def running(folder: Folder) -> int:
    """How many instances `ps` shows as up, ready, or starting: what is called web may never listen in a test."""
    return len(re.findall(r" (?:up|ready|starting) ", folder.procrun("ps").stdout))


_BLOCK = 100
_BLOCKS: tuple[int, ...] = (*range(1_300, 2_900, _BLOCK), *range(61_000, 65_400, _BLOCK))
"""Neither those of outgoing connections, any of which may be taken at any time (ip(7), ip_local_port_range), nor
procrun's own: 5000 and on, and what `port = "auto"` chooses from; nor those that a test names, 1234 and 4000 and on.
"""

Held = dict[int, socket.socket]
_bases: Held = {}
_ports: Held = {}
_turn = itertools.count()


def free_base(span: int = 300) -> int:
    """A base port with nobody listening on it nor on the ports of the next types.

    It is ours for as long as we live: no other run of these tests, as pytest-xdist's workers are, gets any of them.
    """
    return _free_blocks(span, _bases)


def free_port() -> int:
    """A port with nobody listening on it, ours in the same way; each call gives another one."""
    base = next(iter(_ports), 0) or _free_blocks(_BLOCK, _ports)
    listening = set(sockets.listening())
    return next(port for port in (base + turn % _BLOCK for turn in _turn) if port not in listening)


def _free_blocks(span: int, held: Held) -> int:
    taken = set(sockets.listening())
    start = os.getpid() * 7 % len(_BLOCKS)  # test runs side by side look in different places first
    for base in itertools.chain(_BLOCKS[start:], _BLOCKS[:start]):
        blocks = range(base, base + span, _BLOCK)
        if set(blocks) <= set(_BLOCKS) and not taken & set(range(base, base + span)) and _hold(blocks, held):
            return base
    raise AssertionError(f"no {span} free ports in a row")


def _hold(blocks: range, held: Held) -> bool:
    """Take these blocks. A name in the abstract namespace is one socket's until its end (unix(7))."""
    new: Held = {}
    for block in blocks:
        if block not in held:
            new[block] = socket.socket(socket.AF_UNIX)
            try:
                new[block].bind(f"\0procrun-tests-port-{block}")
            except OSError:
                for holder in new.values():
                    holder.close()
                return False
    held.update(new)
    return True


def child(name: str, *arguments: str) -> str:
    """A Procfile command that runs one of tests/children."""
    return " ".join([PYTHON, str(PROGRAMS / name), *arguments])


def alive(pid: int) -> bool:
    """Whether a thread of `pid` lives; none of a zombie does."""
    return any(state not in "ZX" for state in states(pid))


def states(pid: int) -> list[str]:
    """Those of its threads."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found.append((task / "stat").read_text(errors="replace").rpartition(")")[2].split()[0])
    return found


def opened(pid: int) -> set[str]:
    """The files that a process has open."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(link))
    return found


def is_read(supervisor: int, pipe: int) -> bool:
    """Whether its loop watches this pipe (proc_pid_fdinfo(5)): it does not while it holds the writer back."""
    return any(f" ino:{pipe:x} " in text.read_text() for text in Path(f"/proc/{supervisor}/fdinfo").iterdir())


def kill_both(run: Run) -> None:
    """Kill front and supervisor at the same instant, so that neither can do anything about the other's death."""
    both = [run.pid, run.supervisor()]
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all((row := procfs.stat(pid)) and row.state == "T" for pid in both), "both stand still")
    for pid in both:
        os.kill(pid, signal.SIGKILL)
    run.popen.wait(PATIENCE)
    until(lambda: not any(alive(pid) for pid in both), "front and supervisor are dead")


TERM, INT, HUP, QUIT = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT
