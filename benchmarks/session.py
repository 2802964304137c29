"""One run of one runner: a folder with Procfile and .env, start, the children's marks, TERM, what is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType

import proctree
from errors import BenchError
from marks import Child, Mark, Marks
from runners import Entry, Runner

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
    """A runner with these entries; a context manager that leaves nothing behind.

    Its output goes to the descriptor `output`; `files` are further ones for its folder, by name.
    """

    def __init__(
        self,
        runner: Runner,
        entries: Sequence[Entry],
        output: int = subprocess.DEVNULL,
        files: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="procrun-bench-")
        self.folder = folder = Path(self._temporary.name)
        self.marks = Marks(folder)
        self._errors = folder / "stderr.txt"
        procfile = "".join(f"{entry.type}: {entry.command}\n" for entry in entries)
        for name, text in {"Procfile": procfile, ".env": ENVIRONMENT, **runner.files(entries), **files}.items():
            (folder / name).write_text(text)
        command = runner.start(entries)
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
                stdout=output,
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
        self.marks.close()
        self._temporary.cleanup()

    @property
    def pid(self) -> int:
        """The runner's."""
        return self._process.pid

    def up(self, count: int) -> list[Mark]:
        """Wait for `count` children; their first instructions in order, in seconds since the command."""
        try:
            marks = self.marks.wait(count, self._pidfd, START_LIMIT)
        except BenchError as error:
            said = self._errors.read_text(errors="replace").strip().splitlines()
            raise BenchError(f"{error}; it said: {said[-1] if said else 'nothing'}") from None
        since = [Mark(mark.pid, mark.seconds - self._began) for mark in marks]
        return sorted(since, key=lambda mark: mark.seconds)

    def own_processes(self, child: Child) -> list[int]:
        """The runner and its helper processes; the children and the shells around them are left out."""
        below = proctree.descendants(self.pid)
        return [self.pid, *(pid for pid in below if not child.is_one(proctree.command_line(pid)))]

    def terminate(self) -> None:
        """Send TERM to the runner alone."""
        self._process.send_signal(signal.SIGTERM)

    def stop(self) -> Stopped:
        """Send TERM to the runner alone and wait until it is gone; then count what it left."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        began = time.monotonic()
        self.terminate()
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
