"""Dramatiq with jobs in flight: TERM for its main process ends them well; TERM for all may cut them."""

import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from tests.apps.bed import PYWORKERS, Tasks
from tests.harness import TERM, Folder
from tests.rows import Record

DRAMATIQ = f"{sys.prefix}/bin/dramatiq dapp -p 2 -t 2"


@pytest.fixture
def tasks(folder: Folder) -> Iterator[Tasks]:
    made = Tasks(folder.path, "dramatiq")
    yield made
    for run in folder.runs:
        run.finish(TERM)
    made.close()


@pytest.mark.parametrize("platform", ["local", "server"])
def test_a_stop_loses_no_job_however_dramatiq_is_started(
    folder: Folder, tasks: Tasks, row: Record, platform: str
) -> None:
    folder.procfile(f"plain: {DRAMATIQ}", f"shell: cd {PYWORKERS} && {DRAMATIQ}; true")
    run = folder.start("--platform", platform, env=tasks.env)
    run.wait_for("Worker process is ready", count=4)
    tasks.enqueue(24, 3)
    tasks.wait_for("start", 8)

    run.finish(TERM)

    assert tasks.jobs("done") == tasks.jobs("start")
    assert len(tasks.jobs("done")) + tasks.waiting() == 24
    assert tasks.jobs("interrupted") == set()
    assert "KILL 1" not in run.output
    row(
        "dramatiq",
        version("dramatiq"),
        platform,
        "4 jobs of 3 s, 8 more waiting",
        "stop",
        "4 done, 8 still queued, 0 lost",
    )


def test_on_heroku_every_process_gets_term_and_jobs_may_be_cut(folder: Folder, tasks: Tasks, row: Record) -> None:
    folder.procfile(f"worker: {DRAMATIQ}")
    check = folder.procrun("check", "--platform", "heroku", env=tasks.env)
    run = folder.start("--platform", "heroku", env=tasks.env)
    run.wait_for("Worker process is ready", count=2)
    tasks.enqueue(12, 3)
    tasks.wait_for("start", 4)

    run.finish(TERM)

    # A worker process hears its main process's TERM and ours; if one comes before the other is seen, they are one.
    assert len(tasks.jobs("done")) + tasks.waiting() + held(tasks) == 12
    assert "its jobs stop half-way and run again after a minute or more" in check.stderr
    happened = "0 lost; mostly cut half-way, to run again in a minute or more"
    row("dramatiq", version("dramatiq"), "heroku", "4 jobs of 3 s, 8 more waiting", "stop", happened)


def held(tasks: Tasks) -> int:
    """Jobs that a worker had taken and not given back; dramatiq takes them up again after a minute or more."""
    keys = tasks.redis("KEYS", "dramatiq:__acks__.*").splitlines()
    return sum(int(tasks.redis("SCARD", key)) for key in keys)
