"""What a case has in flight: jobs of every queue, or requests; put in, and counted where they wait and end."""

import json
import shlex
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple, Protocol

import redis

from tests.harness import PYTHON

APPS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case is played: the app's folder, the environment of its processes, its Redis database and its port.

    `output` is what the runner has printed, `asked` are the requests that were sent.
    """

    folder: Path
    env: Mapping[str, str]
    store: redis.Redis
    port: int
    output: Path
    asked: "list[Request]" = field(default_factory=list)


class Outcome(NamedTuple):
    """What became of the work: `done`, to be run `again` by the queue itself, or `lost`."""

    done: int
    again: int
    lost: int

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name, count in zip(("done", "to run again", "lost"), self, strict=True) if count]
        return ", ".join(parts) or "nothing"


class Load(Protocol):
    """Work of one kind; `app` is the folder beside this file with what does it, `needs` the programs for it."""

    @property
    def app(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    def prepare(self, place: Place, count: int, seconds: float, *more: str) -> None:
        """Put the work in before anything runs; `more` says what kind of job, where there are several."""

    def begun(self, place: Place, count: int) -> int:
        """How much of it is in flight or was; asked again and again while the runner runs."""

    def outcome(self, place: Place, count: int) -> Outcome:
        """What became of it, when nothing runs any more."""


class Queue(NamedTuple):
    """Jobs that record in the list demo:events how they start and end.

    `enqueue` is the command that puts them in, before their number and their seconds; `waiting` counts those that will
    be run.
    """

    app: str
    enqueue: tuple[str, ...]
    waiting: Callable[[Place], int]
    needs: tuple[str, ...] = ()

    def prepare(self, place: Place, count: int, seconds: float, *more: str) -> None:
        """Run the command, of the app's own client."""
        if not self.enqueue:
            return
        words = [*self.enqueue, str(count), str(seconds), *more]
        done = subprocess.run(words, cwd=place.folder, env=place.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"

    def begun(self, place: Place, count: int) -> int:
        """Those that have recorded their start."""
        return len(_numbers(place, "start"))

    def outcome(self, place: Place, count: int) -> Outcome:
        """Every job is done, or waits, or is lost."""
        done, again = len(_numbers(place, "done")), self.waiting(place)
        assert done + again <= count, f"{done} done and {again} waiting of {count}: some would run twice"
        return Outcome(done, again, count - done - again)


class Requests(NamedTuple):
    """Requests for `path`, whose answer takes some seconds; one is done when the whole answer has come."""

    app: str
    path: str
    needs: tuple[str, ...] = ()

    def prepare(self, place: Place, count: int, seconds: float, *more: str) -> None:
        """They are sent when the server answers."""

    def begun(self, place: Place, count: int) -> int:
        """Send them once the server answers; those whose handler has recorded its start."""
        if not place.asked and Request(place.port, "/").whole():
            place.asked.extend(Request(place.port, self.path) for _ in range(count))
        return place.output.read_text(errors="replace").count(f"begun {self.path}")

    def outcome(self, place: Place, count: int) -> Outcome:
        """A request that is cut is lost: nobody sends it again."""
        done = sum(request.whole() for request in place.asked)
        return Outcome(done, 0, count - done)


class Request:
    """One GET of a server on this machine, answered in a thread of its own."""

    def __init__(self, port: int, path: str) -> None:
        self.status = 0
        self.answer = b""
        self.fault = ""
        self._port, self._path = port, path
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def whole(self) -> bool:
        """Wait for the end; whether the whole answer came."""
        self._thread.join(30)
        return self.status == 200 and self.answer.endswith(b"done")

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request("GET", self._path)
            response = connection.getresponse()
            self.answer, self.status = response.read(), response.status
        except (OSError, HTTPException) as error:
            self.fault = repr(error)
        finally:
            connection.close()


def _numbers(place: Place, event: str) -> set[int]:
    records = [json.loads(line) for line in place.store.lrange("demo:events", 0, -1)]
    return {record["n"] for record in records if record["event"] == event}


def _in_redis(*keys: str) -> Callable[[Place], int]:
    """The lengths of these lists, sets and hashes, all together."""

    def count(place: Place) -> int:
        lengths = {b"list": place.store.llen, b"zset": place.store.zcard, b"hash": place.store.hlen}
        kinds = [(key, place.store.type(key)) for key in keys]
        return sum(int(lengths[kind](key)) for key, kind in kinds if kind in lengths)

    return count


def _in_postgres(place: Place) -> int:
    """Those of procrastinate; nothing runs a job again whose worker died."""
    query = "select count(*) from procrastinate_jobs where status = 'todo'"
    asked = subprocess.run(["psql", "-AtXqc", query, place.env["DATABASE_URL"]], capture_output=True, check=True)
    return int(asked.stdout)


def _in_sqlite(place: Place) -> int:
    """Those of delayed_job; a job that was killed stays locked for four hours, and is run again then."""
    with sqlite3.connect(place.folder / "jobs.sqlite3") as base:
        (count,) = base.execute("select count(*) from delayed_jobs where failed_at is null").fetchone()
    return int(count)


def _in_agenda(place: Place) -> int:
    """Those that nobody has begun."""
    jobs = [place.store.hgetall(key) for key in place.store.scan_iter("agenda:job:*")]
    return sum(job[b"lastFinishedAt"] == job[b"lockedAtMs"] == b"null" for job in jobs)


ARQ = f"{sys.prefix}/apart/bin/python"
"""What pins a library in a version that the others cannot live with has an environment of its own."""


def _of_python(name: str, waiting: Callable[[Place], int], python: str = PYTHON) -> Queue:
    return Queue("pyworkers", (python, "-W", "ignore", "enqueue.py", name), waiting)


LOADS: dict[str, Load] = {
    # tasks that are acknowledged late are in the second, for an hour
    "celery": _of_python("celery", _in_redis("celery", "unacked")),
    "rq": _of_python("rq", _in_redis("rq:queue:default", "rq:scheduled:default")),
    # each message is in one of these until it is acknowledged
    "dramatiq": _of_python("dramatiq", _in_redis("dramatiq:default.msgs", "dramatiq:default.DQ.msgs")),
    "huey": _of_python("huey", _in_redis("huey.redis.demo", "huey.schedule.demo")),
    "arq": _of_python("arq", _in_redis("arq:queue"), ARQ),
    "taskiq": _of_python("taskiq", _in_redis("taskiq")),
    "django-q2": _of_python("django_q", _in_redis("django_q:demo:q")),
    "procrastinate": _of_python("procrastinate", _in_postgres)._replace(needs=("psql",)),
    "sidekiq": Queue("sidekiq", ("ruby", "enqueue.rb"), _in_redis("queue:default", "retry", "schedule"), ("sidekiq",)),
    "delayed_job": Queue("delayed", ("ruby", "enqueue.rb"), _in_sqlite, ("rake",)),
    # a job whose worker died stands in the last one until another worker sees that, and runs it again
    "bullmq": Queue(
        "node",
        ("node", "bull.js"),
        _in_redis("bull:demo:wait", "bull:demo:delayed", "bull:demo:active"),
        ("node", "pm2"),
    ),
    "bee-queue": Queue(
        "node", ("node", "bee.js"), _in_redis("bq:demo:waiting", "bq:demo:delayed", "bq:demo:active"), ("node", "pm2")
    ),
    "agenda": Queue("node", ("node", "agenda.mjs"), _in_agenda, ("node", "pm2")),
    "cron": Queue("pyworkers", (), lambda _: 0),  # the daemon begins its job by itself, and once
    "requests": Requests("servers", "/slow"),
    "requests with a child": Requests("servers", "/child"),
}
