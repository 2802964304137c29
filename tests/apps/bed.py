"""A private Redis for a test, and real apps, Sidekiq's and three in Python, that count their jobs in it."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.harness import PYTHON, free_port, until
from tests.programs import need, need_module

APP = Path(__file__).parent / "sidekiq"
PYWORKERS = Path(__file__).parent / "pyworkers"


class Store:
    """A redis-server on a free loopback port that keeps its data in `folder`.

    `command` is its line in a Procfile; `open` starts it outside of one.
    """

    def __init__(self, folder: Path, databases: int = 16) -> None:
        self.port = free_port()
        self.url = self.database(0)
        self.env = {"REDIS_PROVIDER": "REDISTOGO_URL", "REDISTOGO_URL": self.url}
        options = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "yes", "dir": str(folder)}
        options["databases"] = str(databases)
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.command = shlex.join([need("redis-server"), *arguments])
        self._server: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start it, again if it ran before, and wait until it answers."""
        self._server = subprocess.Popen(shlex.split(self.command), stdout=subprocess.DEVNULL)
        self.wait()

    def database(self, number: int) -> str:
        """The URL of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def wait(self) -> None:
        until(lambda: self.redis("PING") == "PONG", "redis answers")

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(10)

    def redis(self, *command: str) -> str:
        """One command by redis-cli, empty while Redis is not there."""
        client = [need("redis-cli"), "-p", str(self.port), *command]
        return subprocess.run(client, capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    def events(self) -> list[dict[str, Any]]:
        """What the jobs have recorded, in its order."""
        return [json.loads(line) for line in self.redis("LRANGE", "demo:events", "0", "-1").splitlines()]

    def _run(self, command: list[str], folder: Path, **env: str) -> str:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **self.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


class Bed(Store):
    """The Sidekiq app; its Redis runs outside the Procfile, unless it is not `opened`."""

    def __init__(self, folder: Path, opened: bool = True) -> None:
        need("sidekiq")
        super().__init__(folder)
        self.env["BED_APP"] = str(APP)
        if opened:
            self.open()

    def enqueue(self, count: int, seconds: float) -> None:
        """Put in `count` jobs of so many seconds."""
        self._run([need("ruby"), "enqueue.rb", str(count), str(seconds)], APP)

    def wait_for_starts(self, count: int) -> None:
        """Wait until jobs have been begun `count` times in all."""
        until(lambda: sum(map(int, self.redis("HVALS", "demo:runs").split())) >= count, f"{count} jobs begun")

    def version(self) -> str:
        """Sidekiq's own."""
        return self._run([need("sidekiq"), "-V"], APP).split()[-1]

    def report(self) -> dict[str, Any]:
        """Where every job is: completed, queued, requeued, running, lost …"""
        return dict(json.loads(self._run([need("ruby"), "report.rb"], APP)))


class Tasks(Store):
    """The Python app of one of celery, rq and dramatiq; its Redis runs outside the Procfile."""

    def __init__(self, folder: Path, kind: str) -> None:
        need_module(kind)
        super().__init__(folder)
        self._kind = kind
        path = os.pathsep.join([str(PYWORKERS), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.env |= {"PYTHONPATH": path, "C_FORCE_ROOT": "1"}
        self.open()

    def enqueue(self, count: int, seconds: float) -> None:
        """Put in `count` jobs of so many seconds."""
        self._run([PYTHON, "-W", "ignore", "enqueue.py", self._kind, str(count), str(seconds)], PYWORKERS)

    def jobs(self, event: str) -> set[int]:
        """The numbers of the jobs that have recorded `event`: start, done or interrupted."""
        return {item["n"] for item in self.events() if item["event"] == event}

    def wait_for(self, event: str, count: int) -> None:
        """Wait until `count` jobs have recorded `event`."""
        until(lambda: len(self.jobs(event)) >= count, f"{event} of {count} jobs")

    def waiting(self) -> int:
        """Jobs in the queue."""
        queue = {"celery": "celery", "rq": "rq:queue:default", "dramatiq": "dramatiq:default"}[self._kind]
        return int(self.redis("LLEN", queue))
