"""The promise, with nothing configured: Redis and Sidekiq in one Procfile, five 30-second jobs in flight, none lost.

However the run ends, the jobs are counted in the Redis of the Procfile, started again from its append-only file.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.apps.bed import APP, Bed
from tests.harness import PROCRUN, TERM, Folder, Run, child
from tests.programs import need_right
from tests.rows import Record

WEB = "until [ -e crash ]; do sleep 0.05; done; exit 3"
"""Ends the run as a crash does, when the test wants it."""


@pytest.fixture
def bed(folder: Folder) -> Iterator[Bed]:
    made = Bed(folder.path, opened=False)
    yield made
    for run in folder.runs:
        run.finish(TERM)
    made.close()


def write(folder: Folder, bed: Bed, timeout: int) -> None:
    folder.procfile(f"web: {WEB}", f"worker: sidekiq -r {APP}/app.rb -c 5 -t {timeout}", f"redis: {bed.command}")


def five_in_flight(bed: Bed) -> None:
    bed.wait()
    bed.enqueue(5, 30)
    bed.wait_for_starts(5)


def counted(bed: Bed) -> tuple[int, int, int]:
    """Lost, interrupted, and back in the queue, once the run is over."""
    assert bed.redis("PING") == ""  # the Redis of the Procfile is gone
    bed.open()
    report = bed.report()
    return report["lost"], report["interrupted"], report["requeued"]


def position(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    assert match is not None, text
    return match.start()


def by_term(folder: Folder, run: Run) -> None:
    assert run.finish(TERM) == -TERM


def by_stop(folder: Folder, run: Run) -> None:
    assert folder.procrun("stop").returncode == 0
    assert run.finish() == 0


def by_crash(folder: Folder, run: Run) -> None:
    folder.write("crash", "")
    assert run.finish() == 3


@pytest.mark.parametrize(("end", "timeout"), [(by_term, 6), (by_stop, 2), (by_crash, 2)])
def test_the_end_of_a_run_costs_no_job(
    folder: Folder, bed: Bed, row: Record, end: Callable[[Folder, Run], None], timeout: int
) -> None:
    write(folder, bed, timeout)
    run = folder.start(env=bed.env)
    five_in_flight(bed)

    end(folder, run)

    report = run.output
    assert position(r"worker\.1 TERM 0\.00 → gone", report) < position(r"redis\.1 TERM 0\.00 → gone", report)
    assert "KILL 1" not in report
    assert counted(bed) == (0, 5, 5)
    action = {"by_term": "TERM to procrun", "by_stop": "procrun stop", "by_crash": "another process crashes"}
    load = f"5 jobs of 30 s, -t {timeout}, its redis in the Procfile"
    row("sidekiq", bed.version(), "local", load, action[end.__name__], "5 pushed back, 0 lost")


def test_ctrl_c_in_a_terminal_costs_no_job(folder: Folder, bed: Bed) -> None:
    write(folder, bed, 2)
    env = {**os.environ, **bed.env}
    need_right("open a terminal")
    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start"], env=env, cwd=str(folder.path), timeout=30)
    five_in_flight(bed)

    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert terminal.signalstatus == signal.SIGINT
    assert counted(bed) == (0, 5, 5)


def test_a_supervisor_that_is_killed_costs_no_job(folder: Folder, bed: Bed) -> None:
    write(folder, bed, 2)
    run = folder.start(env=bed.env)
    five_in_flight(bed)
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    assert counted(bed) == (0, 5, 5)


@pytest.mark.parametrize(("options", "first"), [((), "worker"), (("--no-order",), "redis")])
def test_no_order_stops_redis_with_the_rest(folder: Folder, bed: Bed, options: tuple[str, ...], first: str) -> None:
    outlives = f"trap 'while redis-cli -p {bed.port} ping; do sleep 0.1; done; exit' TERM"
    worker = f"{outlives}; echo ready; while :; do sleep 0.1; done" if options else child("polite.py", "0.5", "0")
    folder.procfile(f"worker: {worker}", f"redis: {bed.command}")
    run = folder.start(*options)
    run.wait_for(r"worker\.1 +\| ready")
    bed.wait()

    run.finish(TERM)

    gone = re.findall(r"(\w+)\.1 TERM 0\.00 → gone", run.output)
    assert gone[0] == first, run.output
    assert ("worker.1 waits for redis.1" in run.output) == (not options)
