"""One run of one runner: a folder with Procfile and .env, start, the children's marks, TERM, what is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import proctree
from errors import BenchError
from marks import Child, Marks
from runners import Runner

START_LIMIT = 60.0
STOP_LIMIT = 15.0
LEFTOVER_GRACE = 0.2  # what is still there this long after the runner was left behind, not just slow to go
ENVIRONMENT = """\
DATABASE_URL=postgres://app:secret@127.0.0.1:5432/app
REDIS_URL=redis://127.0.0.1:6379/0
RAILS_ENV=development
RACK_ENV=development
LANG=C.UTF-8
SECRET_KEY_BASE="0123456789abcdef0123456789abcdef"
MAILER_FROM='App <app@example.test>'
WEB_CONCURRENCY=2
MALLOC_ARENA_MAX=2
LOG_LEVEL=debug
"""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a run ended: seconds from TERM to gone (the limit if it stayed), and the processes it left."""

    seconds: float
    left: int


class Session:
    """A runner with `count` children of one type; a context manager that leaves nothing behind."""

    def __init__(self, runner: Runner, child: Child, count: int) -> None:
        self._child = child
        self._count = count
        self._temporary = tempfile.TemporaryDirectory(prefix="procrun-bench-")
        folder = Path(self._temporary.name)
        self._marks = Marks(folder)
        self._errors = folder / "stderr.txt"
        (folder / "Procfile").write_text(f"a: {child.command(self._marks.fifo)}\n")
        (folder / ".env").write_text(ENVIRONMENT)
        command = runner.start(f"a={count}")
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        environment["BENCHMARK_RUN"] = str(folder)
        self._mark = f"BENCHMARK_RUN={folder}"
        with self._errors.open("wb") as errors:
            self._began = time.monotonic()
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._pidfd = os.pidfd_open(self._process.pid)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        os.close(self._pidfd)
        self._marks.close()
        self._temporary.cleanup()

    def up(self) -> list[float]:
        """Wait for all children; the seconds from the command to the first instruction of each, in order."""
        try:
            moments = self._marks.wait(self._count, self._pidfd, START_LIMIT)
        except BenchError as error:
            said = self._errors.read_text(errors="replace").strip().splitlines()
            raise BenchError(f"{error}; it said: {said[-1] if said else 'nothing'}") from None
        return sorted(moment - self._began for moment in moments)

    def own_processes(self) -> list[int]:
        """The runner and its helper processes; the children and the shells around them are left out."""
        own = [self._process.pid]
        for pid in proctree.descendants(self._process.pid):
            if not self._child.is_one(proctree.command_line(pid), self._marks.fifo):
                own.append(pid)
        return own

    def stop(self) -> Stopped:
        """Send TERM to the runner alone and wait until it is gone; then count what it left."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        gone = bool(poll.poll(STOP_LIMIT * 1000))
        seconds = time.monotonic() - began
        if not gone:
            return Stopped(STOP_LIMIT, len(proctree.descendants(self._process.pid)))
        self._process.wait()
        return Stopped(seconds, self._left())

    def _left(self) -> int:
        if self._mine():
            time.sleep(LEFTOVER_GRACE)
        return len(self._mine())

    def _mine(self) -> list[int]:
        """Processes of this run: all below this one that got its mark with their environment."""
        return [pid for pid in proctree.descendants(os.getpid()) if self._mark in proctree.environment(pid)]

    def _clear(self) -> None:
        """Kill what is left of the run, until nothing is."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        while pids := self._mine():
            for pid in pids:
                proctree.kill(pid)
            time.sleep(0.01)
        proctree.reap()
