"""Plays a case under a runner: work in flight, TERM for the runner alone, and a count when all is over."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import redis

from tests.apps.cases import ROOT, Case
from tests.apps.loads import APPS, LOADS, Outcome, Place
from tests.apps.stores import Postgres

NODE_MODULES = APPS / "node" / "node_modules"
PATH = os.pathsep.join([f"{sys.prefix}/bin", f"{sys.prefix}/apart/bin", f"{NODE_MODULES}/.bin", os.environ["PATH"]])
"""Where the programs of the cases are found; .venv/apart is for what pins libraries that the others need newer."""

BEGIN_LIMIT = 90.0
"""Seconds for the work to be in flight; generous, for slow machines on which many are started at once."""

LOOK_EVERY = 0.1

TYPE = "worker"
"""The process type of the case in its Procfile."""


class Trial(NamedTuple):
    """How it went: what became of the work, what the runner had printed by the time of TERM, and all it printed.

    `seconds` are those from TERM to the runner's end, None if it was still there after the limit.
    """

    outcome: Outcome
    before: str
    output: str
    seconds: float | None


def missing(case: Case) -> str:
    """What the case needs and this machine does not have, by its name; empty if it has all of it."""
    needed = (*LOADS[case.load].needs, *case.needs)
    return next((program for program in needed if program != ROOT and shutil.which(program, path=PATH) is None), "")


def allowed(case: Case) -> bool:
    """Whether who runs the tests may play it."""
    return ROOT not in case.needs or os.geteuid() == 0


@contextmanager
def made(case: Case, folder: Path, url: str, port: int, path: str = PATH) -> Iterator[Place]:
    """A folder with the case's app and Procfile, and its work waiting in the Redis database `url`."""
    load = LOADS[case.load]
    unwanted = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(APPS / load.app, folder, dirs_exist_ok=True, ignore=unwanted)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    for name, text in {"Procfile": f"{TYPE}: {case.entry}\n", **case.files}.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        if name.startswith("bin/") or name.endswith(".sh"):
            file.chmod(0o755)
    env = {
        "PATH": path,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PORT": str(port),
        "PYTHONPATH": str(folder),
        "C_FORCE_ROOT": "1",
        "REDIS_PROVIDER": "REDISTOGO_URL",
        "REDISTOGO_URL": url,
        "REDIS_URL": url,  # for programs that know nothing of providers: not every runner tells them
    }
    with redis.Redis.from_url(url) as store, _database(case) as more:
        place = Place(folder, {**env, **more}, store, port, folder / "output")
        load.prepare(place, case.jobs + case.queued, case.seconds, *case.more)
        yield place


@contextmanager
def _database(case: Case) -> Iterator[Mapping[str, str]]:
    """A Postgres, for the one queue that needs it."""
    if case.load != "procrastinate":
        yield {}
        return
    postgres = Postgres()
    server = subprocess.Popen(["/bin/sh", "-c", f"exec {postgres.command}"], stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: postgres.ask("select 1") == "1", "postgres answers")
        yield {"DATABASE_URL": f"postgresql://{postgres.user}@127.0.0.1:{postgres.port}/postgres"}
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        postgres.close()


def play(
    case: Case,
    place: Place,
    command: Sequence[str],
    limit: float,
    said: str = "",
    gone: Callable[[], bool] = lambda: True,
) -> Trial:
    """Run `command` in the case's folder until its work is in flight and the runner has printed what matches `said`.

    The work is counted when the runner has ended and `gone` says that nothing it left behind works on; at the latest
    `limit` seconds after TERM, when the runner is killed.
    """
    load = LOADS[case.load]
    with place.output.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=place.folder,
            env=place.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # some wrappers send signals to their whole group
        )
    try:
        _wait(lambda: load.begun(place, case.jobs) >= case.jobs, "all of the work is begun", popen, place)
        _wait(lambda: re.search(said, _said(place)), f"it says {said}", popen, place)
        before, began = _said(place), monotonic()
        popen.send_signal(signal.SIGTERM)
        ended = _ended(popen, limit)
        seconds = monotonic() - began if ended else None
        while not gone() and monotonic() < began + limit:
            sleep(LOOK_EVERY)
    except BaseException:
        popen.terminate()  # killed at once, procrun would leave its other half behind
        _ended(popen, limit)
        raise
    finally:
        popen.kill()
        popen.wait()
    return Trial(load.outcome(place, case.jobs + case.queued), before, _said(place), seconds)


def _said(place: Place) -> str:
    return place.output.read_text(errors="replace")


def _ended(popen: "subprocess.Popen[bytes]", limit: float) -> bool:
    try:
        popen.wait(limit)
    except subprocess.TimeoutExpired:
        return False
    return True


def _wait(
    true: Callable[[], object], what: str, popen: "subprocess.Popen[bytes] | None" = None, place: Place | None = None
) -> None:
    """Wait for something to become true while the runner runs."""
    deadline = monotonic() + BEGIN_LIMIT
    while not true():
        said = _said(place) if place else ""
        assert popen is None or popen.poll() is None, f"the runner ended before {what}:\n{said}"
        assert monotonic() < deadline, f"never: {what}:\n{said}"
        sleep(LOOK_EVERY)
