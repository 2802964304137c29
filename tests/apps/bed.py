"""A Redis of its own for a test, outside the Procfile, and the real Sidekiq app that counts its jobs in it."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.harness import until
from tests.programs import need

APP = Path(__file__).parent / "sidekiq"


class Bed:
    """A private redis-server on a free loopback port; jobs are put in, waited for and counted through it."""

    def __init__(self, folder: Path) -> None:
        need("sidekiq")
        self.port = _free_port()
        self.env = {
            "REDIS_PROVIDER": "REDISTOGO_URL",
            "REDISTOGO_URL": f"redis://127.0.0.1:{self.port}/0",
            "BED_APP": str(APP),
        }
        options = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "no", "dir": str(folder)}
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._redis = subprocess.Popen([need("redis-server"), *arguments], stdout=subprocess.DEVNULL)
        until(lambda: self.redis("PING") == "PONG", "redis answers")

    def redis(self, *command: str) -> str:
        """One command by redis-cli, empty while Redis is not there."""
        client = [need("redis-cli"), "-p", str(self.port), *command]
        return subprocess.run(client, capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    def enqueue(self, count: int, seconds: float) -> None:
        """Put in `count` jobs of so many seconds."""
        self._ruby("enqueue.rb", str(count), str(seconds))

    def wait_for_starts(self, count: int) -> None:
        """Wait until jobs have been begun `count` times in all."""
        until(lambda: sum(map(int, self.redis("HVALS", "demo:runs").split())) >= count, f"{count} jobs begun")

    def report(self) -> dict[str, Any]:
        """Where every job is: completed, queued, requeued, running, lost …"""
        return dict(json.loads(self._ruby("report.rb")))

    def close(self) -> None:
        self._redis.terminate()
        self._redis.wait(10)

    def _ruby(self, *arguments: str) -> str:
        command = [need("ruby"), *arguments]
        env = {**os.environ, **self.env}
        result = subprocess.run(command, cwd=APP, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
