"""The promise, with the real Sidekiq and five 30-second jobs in flight: what a restart costs, counted in Redis."""

import re
from collections.abc import Iterator

import pytest

from tests.apps.bed import APP, Bed
from tests.harness import Folder, Run, kill_both


@pytest.fixture
def bed(folder: Folder) -> Iterator[Bed]:
    made = Bed(folder.path)
    yield made
    folder.procrun("stop", "-t", "0.2")
    made.close()


def start_with_jobs_in_flight(folder: Folder, bed: Bed, timeout: int) -> Run:
    folder.procfile(f"worker: sidekiq -r {APP}/app.rb -c 5 -t {timeout}")
    run = folder.start(env=bed.env)
    bed.enqueue(5, 30)
    bed.wait_for_starts(5)
    return run


def restarted_after(output: str) -> float:
    match = re.search(r"^ *([\d.]+) s  worker\.1 +started", output, re.MULTILINE)
    assert match is not None, output
    return float(match[1])


def test_a_restart_loses_no_job_where_sidekiqs_time_out_fits_the_budget(folder: Folder, bed: Bed) -> None:
    start_with_jobs_in_flight(folder, bed, timeout=6)

    result = folder.procrun("restart", "worker")

    assert result.returncode == 0
    assert restarted_after(result.stdout) < 10
    assert "KILL" not in result.stdout
    bed.wait_for_starts(10)  # the new worker has begun all five again
    report = bed.report()
    assert (report["lost"], report["interrupted"], report["rerun"]) == (0, 5, 5)


def test_doctor_loses_no_job_of_a_worker_whose_run_was_killed(folder: Folder, bed: Bed) -> None:
    """Nobody has read its log since; doctor does while it pushes the jobs back."""
    kill_both(start_with_jobs_in_flight(folder, bed, timeout=3))

    result = folder.procrun("doctor", "--clean")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "KILL" not in result.stdout
    report = bed.report()
    assert (report["lost"], report["interrupted"]) == (0, 5)


def test_a_time_out_beyond_the_budget_loses_the_jobs_and_is_said_to(folder: Folder, bed: Bed) -> None:
    run = start_with_jobs_in_flight(folder, bed, timeout=25)

    check = folder.procrun("check", env=bed.env)
    result = folder.procrun("restart", "worker")

    assert "KILL comes at 10 s and every job in flight is lost; use -t 6" in check.stderr
    r12 = "Error R12 (Exit timeout) -> At least one process failed to exit within 10 seconds of SIGTERM"
    assert re.search(rf"10\.\d\d s  worker\.1 +KILL: {re.escape(r12)}", result.stdout)
    assert r12 in run.output
    assert bed.report()["lost"] == 5


def test_a_time_out_that_fits_is_nothing_to_warn_of(folder: Folder) -> None:
    folder.procfile("worker: bundle exec sidekiq -t 6")

    assert "sidekiq waits" not in folder.procrun("check").stderr


def test_the_timeout_that_the_code_sets_is_the_one_that_holds(folder: Folder, bed: Bed) -> None:
    """`-t 25` would lose all five at KILL; the app's own 6 s push them back, and check knows it."""
    boot = folder.write("boot.rb", f'require "{APP}/app.rb"\nSidekiq.options[:timeout] = 6\n')
    folder.procfile(f"worker: sidekiq -r {boot} -c 5 -t 25")
    assert folder.procrun("check", "--strict", env=bed.env).returncode == 0
    folder.start(env=bed.env)
    bed.enqueue(5, 30)
    bed.wait_for_starts(5)

    result = folder.procrun("restart", "worker")

    assert "KILL" not in result.stdout
    bed.wait_for_starts(10)
    assert bed.report()["lost"] == 0
