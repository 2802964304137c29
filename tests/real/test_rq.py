"""RQ, whose jobs run in a child with a process group of its own: it ends with its worker, well or by KILL."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from tests.apps.bed import Tasks
from tests.harness import TERM, Folder, alive
from tests.rows import Record


@pytest.fixture
def tasks(folder: Folder) -> Iterator[Tasks]:
    made = Tasks(folder.path, "rq")
    yield made
    for run in folder.runs:
        run.finish(TERM)
    made.close()


def worker(tasks: Tasks) -> str:
    return f"worker: {sys.prefix}/bin/rq worker --url {tasks.url}"


def job_pid(tasks: Tasks) -> int:
    return int(next(event["pid"] for event in tasks.events() if event["event"] == "start"))


@pytest.mark.parametrize("platform", ["local", "server"])
def test_a_stop_lets_the_job_end(folder: Folder, tasks: Tasks, row: Record, platform: str) -> None:
    folder.procfile(worker(tasks))
    run = folder.start("--platform", platform, env=tasks.env)
    tasks.enqueue(3, 3)
    tasks.wait_for("start", 1)

    run.finish(TERM)

    assert (len(tasks.jobs("done")), tasks.waiting()) == (1, 2)
    row("rq", version("rq"), platform, "1 job of 3 s, 2 more waiting", "stop", "1 done, 2 still queued, 0 lost")


def test_kill_reaches_the_work_horse_in_its_own_group(folder: Folder, tasks: Tasks, row: Record) -> None:
    folder.procfile(worker(tasks))
    run = folder.start("-t", "2", env=tasks.env)
    tasks.enqueue(1, 30)
    tasks.wait_for("start", 1)

    run.finish(TERM)

    assert re.search(r"worker\.1 TERM 0\.00 → KILL [2-6]\.\d\d", run.output)
    assert not alive(job_pid(tasks))
    assert tasks.jobs("done") == set()
    row("rq", version("rq"), "local", "1 job of 30 s", "stop", "KILL at the budget reaches the work horse: 1 lost")
