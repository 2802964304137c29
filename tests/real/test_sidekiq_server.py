"""Sidekiq on platform "server": stop sequences, quiet, signal, deploy and rolling restarts, jobs counted in Redis."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.bed import APP, Bed
from tests.harness import PYTHON, TERM, Folder, Run, alive, until
from tests.rows import Record

SERVER = 'platform = "server"\n'
WORKER = f"worker: sidekiq -r {APP}/app.rb -c 5 -t 8"
HASTY = WORKER.replace("-t 8", "-t 2")
BOOTED = r"worker\.\d +\| .*demo: lifecycle startup"


@pytest.fixture
def bed(folder: Folder) -> Iterator[Bed]:
    made = Bed(folder.path)
    yield made
    folder.procrun("stop", "-t", "0.2")
    made.close()


def start(folder: Folder, bed: Bed, toml: str = SERVER, workers: int = 1, worker: str = WORKER) -> Run:
    """One type of workers, all booted."""
    folder.write("procrun.toml", toml)
    folder.procfile(worker)
    run = folder.start("-c", f"worker={workers}", env=bed.env)
    run.wait_for(BOOTED, count=workers)
    return run


def counts(bed: Bed, *keys: str) -> tuple[int, ...]:
    report = bed.report()
    return tuple(report[key] for key in keys)


def done(bed: Bed) -> int:
    return sum(event["event"] == "done" for event in bed.events())


def ps(folder: Folder) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(folder.procrun("ps", "--json").stdout)}


def moment(output: str, pattern: str) -> float:
    """Seconds in a timeline, of the line that matches."""
    match = re.search(rf"^ *([\d.]+) s  {pattern}", output, re.MULTILINE)
    assert match is not None, output
    return float(match[1])


# --- deploy


def test_a_deploy_interrupts_no_job_loses_none_and_runs_none_twice(folder: Folder, bed: Bed, row: Record) -> None:
    run = start(folder, bed)
    bed.enqueue(12, 4)
    bed.wait_for_starts(5)

    result = folder.procrun("deploy", "--", "sleep", "5")

    assert result.returncode == 0, result.stderr
    quiet, started = moment(result.stdout, r"worker\.1 +TSTP"), moment(result.stdout, r"worker\.1 +started")
    assert quiet < 5 <= started
    run.wait_for(BOOTED, count=2)
    until(lambda: done(bed) == 12, "all jobs are done")
    assert counts(bed, "completed", "interrupted", "lost", "rerun", "duplicates") == (12, 0, 0, 0, 0)
    row(
        "sidekiq", bed.version(), "server", "5 jobs of 4 s, 7 more waiting", "deploy -- sleep 5", "12 done once, 0 lost"
    )


def test_a_deploy_whose_command_fails_leaves_a_working_worker(folder: Folder, bed: Bed) -> None:
    run = start(folder, bed)

    result = folder.procrun("deploy", "--", "sh", "-c", "exit 7")

    assert result.returncode == 7
    assert "the command failed" in result.stderr
    run.wait_for(BOOTED, count=2)
    assert ps(folder)["worker.1"]["state"] == "ready"
    bed.enqueue(1, 0)
    until(lambda: done(bed) == 1, "the new worker works")


def test_a_deploy_whose_client_is_killed_leaves_a_working_worker(folder: Folder, bed: Bed) -> None:
    run = start(folder, bed)
    client = folder.background("deploy", "--", "sh", "-c", "echo $$ >pid; exec sleep 600")
    file = folder.path / "pid"
    until(lambda: file.exists() and file.read_text().strip(), "the command runs")
    assert ps(folder)["worker.1"]["state"] == "quiet"

    with client:
        client.kill()

    run.wait_for(BOOTED, count=2)
    os.kill(int(file.read_text()), signal.SIGKILL)
    assert ps(folder)["worker.1"]["state"] == "ready"
    bed.enqueue(1, 0)
    until(lambda: done(bed) == 1, "the new worker works")


def test_drain_first_has_old_jobs_end_before_the_command(folder: Folder, bed: Bed) -> None:
    start(folder, bed)
    bed.enqueue(8, 3)
    bed.wait_for_starts(5)
    events = f"redis-cli -p {bed.port} LRANGE demo:events 0 -1 >during"

    result = folder.procrun("deploy", "--drain-first", "30", "--", "sh", "-c", events)

    assert result.returncode == 0, result.stderr
    during = [json.loads(line)["event"] for line in (folder.path / "during").read_text().splitlines()]
    assert during.count("start") == during.count("done")  # those in flight were done, no new one was begun
    assert 5 <= during.count("done") < 8
    until(lambda: done(bed) == 8, "the rest is done by the new worker")
    assert counts(bed, "interrupted", "lost", "rerun") == (0, 0, 0)


def test_a_deploy_reads_the_procfile_again_but_a_faulty_one_leaves_the_old_plan(folder: Folder, bed: Bed) -> None:
    run = start(folder, bed)

    folder.procfile(WORKER, "this is no entry: at all", "worker: again")
    faulty = folder.procrun("deploy")

    assert faulty.returncode == 2
    assert "Procfile:2" in faulty.stderr
    assert "old plan" in faulty.stderr
    run.wait_for(BOOTED, count=2)
    assert ps(folder)["worker.1"]["state"] == "ready"

    folder.procfile(WORKER.replace("-c 5", "-c 2"), "clock: sleep 600")
    good = folder.procrun("deploy")

    assert good.returncode == 0, good.stderr
    run.wait_for(BOOTED, count=3)
    until(lambda: ps(folder)["worker.1"]["threads"] == 2, "the new -c counts")
    assert ps(folder)["clock.1"]["state"] == "up"


def test_a_deploy_leaves_alone_what_it_shall(folder: Folder, bed: Bed) -> None:
    folder.write("procrun.toml", f"{SERVER}[process.cron]\nrestart_on_deploy = false\n")
    other = Bed(folder.path / "other", opened=False)
    (folder.path / "other").mkdir()
    folder.procfile(WORKER, "cron: sleep 600", "critical: sleep 600", "web: sleep 600", f"redis: {other.command}")
    run = folder.start(env=bed.env)
    run.wait_for(BOOTED)
    before = {name: entry["pid"] for name, entry in ps(folder).items()}

    assert folder.procrun("deploy", "--except", "critical").returncode == 0

    after = {name: entry["pid"] for name, entry in ps(folder).items()}
    assert {name for name in after if after[name] != before[name]} == {"worker.1", "web.1"}


def test_a_deploy_keeps_what_scale_and_stop_have_made(folder: Folder) -> None:
    folder.write("procrun.toml", SERVER)
    folder.procfile("web: sleep 600", "more: sleep 600", "less: sleep 600", "down: sleep 600")
    run = folder.start("-c", "less=2")
    run.wait_for("started", count=5)
    folder.procrun("scale", "more=2", "less=1")
    folder.procrun("stop", "down")

    assert folder.procrun("deploy").returncode == 0

    states = {name: entry["state"] for name, entry in ps(folder).items()}
    assert states == {"web.1": "starting", "more.1": "up", "more.2": "up", "less.1": "up", "down.1": "down"}
    run.finish(TERM)


# --- stop sequences


def test_a_sequence_goes_on_when_the_drain_is_seen(folder: Folder, bed: Bed, row: Record) -> None:
    toml = f'{SERVER}[process.worker]\nstop_sequence = "tstp, 20, term, 10, kill"\n'
    start(folder, bed, toml=toml)
    bed.enqueue(7, 8)
    bed.wait_for_starts(5)

    result = folder.procrun("restart", "worker")

    assert moment(result.stdout, r"worker\.1 +TSTP") < moment(result.stdout, r"worker\.1 +TERM") < 20
    assert counts(bed, "completed", "interrupted", "lost", "rerun") == (5, 0, 0, 0)
    term = moment(result.stdout, r"worker\.1 +TERM")
    happened = f"5 done, 2 still queued, TERM after {term:.0f} s"
    row(
        "sidekiq",
        bed.version(),
        "server",
        "5 jobs of 8 s, 2 more waiting",
        "restart: tstp, 20, term, 10, kill",
        happened,
    )


IGNORES = (
    "import os, signal, sys, time\n"
    "def note(number, frame): os.write(1, f'got {number} {time.monotonic():.2f}\\n'.encode())\n"
    "for number in (signal.SIGTSTP, signal.SIGTERM): signal.signal(number, note if sys.argv[1] else signal.SIG_IGN)\n"
    "os.write(1, b'ready\\n')\n"
    "while True: time.sleep(600)\n"
)


def test_a_program_that_ignores_everything_is_killed_when_all_waits_are_over(folder: Folder) -> None:
    folder.write("ignores.py", IGNORES)
    steps = 'stop_sequence = "tstp, 3, term, 2, kill"\n'
    folder.write("procrun.toml", f"{SERVER}[process.deaf]\n{steps}[process.hears]\n{steps}")
    folder.procfile(f"deaf: {PYTHON} ignores.py ''", f"hears: {PYTHON} ignores.py yes")
    run = folder.start()
    run.wait_for(r"\| ready", count=2)

    run.finish(TERM)

    for name, said in (("deaf", r" \(caught by nobody\)"), ("hears", "")):
        steps = rf"{name}\.1 TSTP{said} 0\.00 → TERM ([\d.]+) → KILL ([\d.]+) → gone [\d.]+ s"
        at_term, at_kill = map(float, run.wait_for(steps).groups())
        assert 3 <= at_term < 5
        assert 2 <= at_kill - at_term + 0.01 < 4
    tstp, term = re.findall(r"hears\.1 +\| got \d+ ([\d.]+)", run.output)
    assert 2 < float(term) - float(tstp) < 5
    assert "deaf.1   | got" not in run.output


def test_a_dead_supervisors_workers_are_ended_not_quieted(folder: Folder, bed: Bed) -> None:
    toml = f'{SERVER}[process.worker]\nstop_sequence = "tstp, 60, term, 10, kill"\n'
    run = start(folder, bed, toml=toml, worker=HASTY)
    bed.enqueue(5, 30)
    bed.wait_for_starts(5)
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    assert counts(bed, "lost", "requeued") == (0, 5)


# --- quiet, signal, rolling


def test_quiet_of_one_instance_leaves_the_other_working(folder: Folder, bed: Bed, row: Record) -> None:
    run = start(folder, bed, workers=2)
    before = ps(folder)

    result = folder.procrun("quiet", "worker.1")

    assert result.returncode == 0
    run.wait_for(r"worker\.1 +\| .*Received TSTP")
    bed.enqueue(8, 1)
    until(lambda: done(bed) == 8, "all jobs are done")
    pids = {event["pid"] for event in bed.events() if event["event"] == "done"}
    assert pids == {before["worker.2"]["pid"]}
    rows = ps(folder)
    assert (rows["worker.1"]["state"], rows["worker.2"]["state"]) == ("quiet", "ready")
    until(lambda: (ps(folder)["worker.1"]["busy"], ps(folder)["worker.1"]["threads"]) == (0, 5), "busy is shown")
    table = folder.procrun("ps").stdout
    assert re.search(r"^NAME +STATE +BUSY +PID ", table)
    assert re.search(r"^worker\.1 +quiet +0/5 ", table, re.MULTILINE)
    row("sidekiq", bed.version(), "server", "8 jobs, 2 instances", "quiet worker.1", "all 8 done by worker.2")


def test_signals(folder: Folder, bed: Bed) -> None:
    run = start(folder, bed)
    pid = ps(folder)["worker.1"]["pid"]

    assert folder.procrun("signal", "TTIN", "worker").returncode == 0
    run.wait_for(r"worker\.1 +\| .*Thread TID-\S+ processor")

    refused = folder.procrun("signal", "USR1", "worker")
    assert refused.returncode == 2
    assert re.search("does not catch USR1 and would die of it; --force sends it anyway", refused.stderr)
    assert alive(pid)

    assert folder.procrun("signal", "--force", "USR1", "worker").returncode == 0
    run.finish()
    assert "worker.1 ended by itself" in run.output
    assert "killed by USR1" in run.output


def test_a_signal_goes_to_the_main_process_each_time(folder: Folder) -> None:
    lines = ("import os, signal", "signal.signal(1, lambda *_: os.write(1, b'hangup\\n'))")
    folder.write("reloads.py", "\n".join((*lines, "os.write(1, b'ready\\n')", "while True: signal.pause()")))
    folder.procfile(f"web: {PYTHON} reloads.py")
    run = folder.start()
    run.wait_for(r"\| ready")

    for count in (1, 2):
        assert folder.procrun("signal", "HUP", "web").returncode == 0
        run.wait_for("hangup", count=count)
    run.finish(TERM)


def test_a_rolling_restart_goes_one_at_a_time(folder: Folder, bed: Bed) -> None:
    run = start(folder, bed, workers=2, worker=HASTY)
    bed.enqueue(10, 30)
    bed.wait_for_starts(10)

    result = folder.procrun("restart", "--rolling", "worker")

    assert result.returncode == 0
    told = [line.split(None, 2)[2] for line in result.stdout.splitlines()]
    steps = [(line.split()[0], line.split()[1]) for line in told]
    assert steps.index(("worker.1", "running")) < steps.index(("worker.2", "TERM"))
    run.wait_for(BOOTED, count=4)
    assert counts(bed, "lost", "interrupted") == (0, 10)


def test_a_rolling_restart_stops_at_the_first_that_does_not_come_back(folder: Folder, bed: Bed) -> None:
    folder.write("procrun.toml", SERVER)
    folder.procfile(f"worker: test ! -e broken && exec sidekiq -r {APP}/app.rb -c 5 -t 2")
    run = folder.start("-c", "worker=2", env=bed.env)
    run.wait_for(BOOTED, count=2)
    folder.write("broken", "")

    result = folder.procrun("restart", "--rolling", "worker")

    assert result.returncode == 1
    assert "did not come up: worker.1" in result.stderr
    assert "not restarted: worker.2" in result.stderr
    assert "worker.2" not in result.stdout


@pytest.mark.parametrize("platform", ["local", "heroku"])
def test_what_only_a_server_has_is_refused_elsewhere(folder: Folder, platform: str) -> None:
    folder.procfile("worker: sleep 600")
    run = folder.start("--platform", platform)
    run.wait_for("started")

    for command in (["quiet", "worker"], ["deploy", "--", "touch", "ran"], ["signal", "USR1", "worker"]):
        refused: subprocess.CompletedProcess[str] = folder.procrun(*command)
        assert refused.returncode == 2, refused.stdout
        assert refused.stderr.count("\n") == 1
        assert re.search("dyno|procrun restart", refused.stderr)
    assert not (folder.path / "ran").exists()
    run.finish(TERM)
