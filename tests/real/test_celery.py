"""Celery with tasks in flight: TERM for its main process costs none, TERM for every process costs them all."""

import sys
from collections.abc import Iterator

import pytest

from tests.apps.bed import PYWORKERS, Tasks
from tests.harness import TERM, Folder
from tests.rows import Record

CELERY = f"{sys.prefix}/bin/celery -A capp worker -c 3 -l INFO --without-gossip --without-mingle"


@pytest.fixture
def tasks(folder: Folder) -> Iterator[Tasks]:
    made = Tasks(folder.path, "celery")
    yield made
    for run in folder.runs:
        run.finish(TERM)
    made.close()


@pytest.mark.parametrize("platform", ["local", "server"])
def test_a_stop_loses_no_task_however_celery_is_started(
    folder: Folder, tasks: Tasks, row: Record, platform: str
) -> None:
    folder.procfile(
        f"plain: {CELERY} -n a@%h",
        f"assigned: A=1 {CELERY} -n b@%h",
        f"shell: cd {PYWORKERS} && {CELERY} -n c@%h; true",
    )
    run = folder.start("--platform", platform, env=tasks.env)
    run.wait_for("@.* ready", count=3)
    tasks.enqueue(12, 4)
    tasks.wait_for("start", 9)

    run.finish(TERM)

    assert tasks.jobs("done") == tasks.jobs("start")
    assert len(tasks.jobs("done")) + tasks.waiting() == 12
    assert tasks.jobs("interrupted") == set()
    assert "KILL 1" not in run.output
    row("celery", version(), platform, "3 tasks of 4 s, 1 more waiting", "stop", "3 done, 1 still queued, 0 lost")


def test_on_heroku_every_process_gets_term_and_the_tasks_are_lost(folder: Folder, tasks: Tasks, row: Record) -> None:
    folder.procfile(f"worker: {CELERY}")
    check = folder.procrun("check", "--platform", "heroku", env=tasks.env)
    run = folder.start("--platform", "heroku", env=tasks.env)
    run.wait_for("@.* ready")
    tasks.enqueue(4, 4)
    tasks.wait_for("start", 3)

    run.finish(TERM)

    assert tasks.jobs("done") == set()
    assert 4 - tasks.waiting() == 3
    assert "loses every task in flight; set task_acks_late and task_reject_on_worker_lost" in check.stderr
    row("celery", version(), "heroku", "3 tasks of 4 s, 1 more waiting", "stop", "3 lost, as on a dyno; 1 still queued")


def test_tasks_that_are_given_back_run_again_after_kill_and_check_does_not_call_them_lost(
    folder: Folder, tasks: Tasks
) -> None:
    folder.write(
        "lapp.py",
        "from capp import app\n"
        "app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)\n"
        "app.conf.broker_transport_options = dict(  # an hour by itself, and kombu 5.7 looks every 100 s\n"
        "    visibility_timeout=3, unacked_restore_interval=1, unacked_restore_throttle=1)\n",
    )
    folder.procfile(f"worker: {CELERY.replace('-A capp', '-A lapp')}")
    check = folder.procrun("check", "--strict", "-t", "1", env=tasks.env)
    run = folder.start("-t", "1", env=tasks.env)
    run.wait_for("@.* ready")
    tasks.enqueue(3, 3)
    tasks.wait_for("start", 3)

    run.finish(TERM)
    cut = tasks.jobs("done")
    again = folder.start(env=tasks.env)
    tasks.wait_for("done", 3)
    again.finish(TERM)

    assert cut == set()
    assert (check.returncode, "its tasks stop half-way and run again" in check.stderr) == (0, True)


def version() -> str:
    from importlib.metadata import version as installed

    return installed("celery")
