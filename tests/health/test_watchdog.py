"""A process that says nothing for too long is restarted inside its budget, and nobody else is."""

import json
import os
import re
import signal
from collections.abc import Callable
from time import monotonic

import pexpect
import pytest

from tests.apps.bed import APP, Bed
from tests.harness import TERM, Folder, alive, child, until
from tests.system.test_limits import children, frozen_by_cgroup, frozen_by_signal
from tests.system.test_terminal import START, seen, shell, state

__all__ = ["shell"]

SILENT = child("notifier.py", "READY=1")
DEAF = f"(until [ -e deaf ]; do sleep 0.05; done; exec {SILENT}) & exec " + child("stubborn.py", "deaf")
"""READY=1 comes when it does not hear TERM any more."""

PINGING = child("notifier.py", "ping", "0.1")


def config(folder: Folder, *lines: str) -> None:
    """Write [process.worker], with a watchdog of one second."""
    folder.write("procrun.toml", "\n".join(["[process.worker]", "watchdog = 1", *lines]) + "\n")


def states(folder: Folder) -> dict[str, str]:
    """What ps says."""
    return {row["name"]: row["state"] for row in json.loads(folder.procrun("ps", "--json").stdout)}


def pause(seconds: float) -> None:
    """Let so much time pass: it is what is waited for."""
    end = monotonic() + seconds
    until(lambda: monotonic() > end, "time passes")


def test_what_falls_silent_is_restarted_though_nothing_is_restarted_by_itself(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "ping", "0.2", "5"))
    config(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| sent")

    run.wait_for(r"worker\.1 hangs: no WATCHDOG=1 for 1 s; restarting: TERM now, KILL after 10 s$")

    run.wait_for(r"worker\.1 +\| asked to stop")
    run.wait_for(r"worker\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)")
    run.wait_for(r"worker\.1 started", count=2)
    assert run.finish(TERM) == -TERM
    assert re.search(r"worker\.1: .*restarts [1-9]", run.output)


def test_what_gives_signs_of_life_is_left_alone(folder: Folder) -> None:
    folder.procfile(f"worker: {PINGING}", f"web: {SILENT}")
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 1\n[process.web]\nwatchdog = 1\n")
    run = folder.start()

    run.wait_for(r"web\.1 hangs", count=3)

    run.finish(TERM)
    assert "worker.1 hangs" not in run.output


def test_before_its_first_word_nothing_is_expected(folder: Folder) -> None:
    """A program may take its time to boot; one without sd_notify is no hung one, but told of."""
    folder.procfile("worker: exec sleep 1000", f"web: {SILENT}")
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 1\n[process.web]\nwatchdog = 4\n")
    run = folder.start()

    run.wait_for(r"web\.1 hangs")

    run.finish(TERM)
    assert "worker.1 hangs" not in run.output
    text = "has sent no READY=1 and no WATCHDOG=1 in 1 s; with its first one its watchdog begins"
    assert run.output.count(f"worker.1 {text}") == 1
    assert "web.1 has sent no" not in run.output


def test_a_program_may_call_itself_hung(folder: Folder) -> None:
    folder.procfile("worker: test -e was && exec sleep 1000; touch was; " + child("notifier.py", "WATCHDOG=trigger"))
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 600\n")
    run = folder.start()

    run.wait_for(r"worker\.1 hangs: it sent WATCHDOG=trigger; restarting")

    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)


def test_what_stands_still_is_continued_for_its_stop(folder: Folder) -> None:
    """It could not obey TERM, nor be asked what became of its jobs."""
    folder.procfile(f"worker: {PINGING}")
    config(folder)
    run = folder.start()
    pid = int(run.wait_for(r"worker\.1 +\| pid=(\d+)")[1])
    run.wait_for(r"worker\.1 +\| ready")

    os.kill(pid, signal.SIGSTOP)

    run.wait_for(r"worker\.1 hangs: no WATCHDOG=1 for 1 s")
    run.wait_for(r"worker\.1 +\| asked to stop")
    run.wait_for(r"worker\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)")
    run.finish(TERM)


def test_what_hangs_and_is_deaf_is_killed_at_its_budget(folder: Folder) -> None:
    folder.procfile(f"worker: {DEAF}")
    config(folder)
    run = folder.start("-t", "1")

    run.wait_for(r"worker\.1 hangs: .*; restarting: TERM now, KILL after 1 s")

    found = run.wait_for(r"worker\.1 TERM 0\.00 → KILL (\d\.\d\d) → gone \d\.\d\d s \(killed by KILL\)")
    assert float(found[1]) >= 1
    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)


def test_during_a_stop_nothing_is_expected(folder: Folder) -> None:
    folder.procfile(
        f"""worker: trap 'sleep 2; exit 0' TERM; {PINGING} & while :; do sleep 0.1; done""",
    )
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 1.5\n")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    assert folder.procrun("restart", "worker").returncode == 0

    assert re.search(r"worker\.1 TERM 0\.00 → gone (?:1\.9|[2-9]\.\d)\d s", run.output)
    assert "hangs" not in run.output
    run.finish(TERM)


def test_hangs_count_for_the_limit_and_the_run_ends_with_124(folder: Folder) -> None:
    folder.procfile("other: exec sleep 1000", f"worker: {SILENT}")
    config(folder, 'restart_limit = "2/60"')
    run = folder.start()

    assert run.finish() == 124
    assert run.output.count("worker.1 started") == 3
    assert "worker.1 hangs: no WATCHDOG=1 for 1 s; stopping: TERM now" in run.output
    assert "worker.1 is given up: restarted 2 times in 60 s, and hangs again" in run.output
    assert "worker.1 ended the run" in run.output
    assert "left unused" not in run.output


def test_given_up_but_not_essential_the_run_goes_on_without_it(folder: Folder) -> None:
    folder.procfile("other: exec sleep 1000", f"worker: {SILENT}")
    config(folder, 'restart_limit = "1/60"', "essential = false")
    run = folder.start()
    run.wait_for("is given up")

    until(lambda: states(folder) == {"other.1": "up", "worker.1": "down"}, "worker.1 stays down")
    assert run.finish(TERM) == -TERM


def test_a_stop_by_hand_in_the_midst_of_it_is_not_undone(folder: Folder) -> None:
    folder.procfile("other: exec sleep 1000", f"worker: {DEAF}")
    config(folder)
    run = folder.start("-t", "60")
    run.wait_for(r"worker\.1 hangs: .*; restarting")
    assert states(folder)["worker.1"] == "restarting"

    with folder.background("stop", "worker") as client:
        until(lambda: states(folder)["worker.1"] == "stopping", "it is not wanted any more")
        os.kill(int(run.wait_for(r"worker\.1 started, pid (\d+)")[1]), signal.SIGKILL)
        client.communicate()

    assert states(folder)["worker.1"] == "down"
    run.finish(TERM)
    assert run.output.count("worker.1 started") == 1


def test_a_hang_is_an_event(folder: Folder) -> None:
    folder.procfile(f"worker: {SILENT}")
    config(folder)
    run = folder.start("--json")
    run.wait_for('"event":"restarted"')
    run.finish(TERM)

    told = [json.loads(line) for line in run.output.splitlines() if '"event"' in line]
    hung = next(event for event in told if event["event"] == "hung")
    assert (hung["instance"], hung["detail"]) == ("worker.1", "no WATCHDOG=1 for 1 s")
    assert [event["event"] for event in told][:8] == [
        *("started", "running", "hung", "signal", "exited", "gone", "crashed", "restarted")
    ]


# Standing still


def test_a_run_that_was_suspended_hangs_not(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile(f"worker: {PINGING}")
    config(folder)
    shell.sendline(START)
    pid = seen(shell, r"pid=(\d+)")
    shell.expect("ready")

    shell.send("\x1a")
    until(lambda: state(pid) == "T", "the worker stands still")
    pause(2.5)  # longer than the watchdog has patience
    shell.sendline("fg")
    until(lambda: state(pid) != "T", "the worker goes on")
    pause(2)

    assert alive(pid)
    shell.sendintr()
    shell.expect(r"worker\.1: exit 0, ran .* restarts 0")
    assert "hangs" not in str(shell.before)


@pytest.mark.parametrize("freeze", [frozen_by_signal, frozen_by_cgroup], ids=["signal", "freezer"])
def test_a_machine_that_was_suspended_hangs_not(
    folder: Folder, freeze: Callable[[list[int]], Callable[[], None]]
) -> None:
    folder.procfile(f"worker: {PINGING}")
    config(folder)
    run = folder.start()
    worker = int(run.wait_for(r"worker\.1 +\| pid=(\d+)")[1])
    run.wait_for(r"worker\.1 +\| ready")

    thaw = freeze([run.pid, run.supervisor(), worker, *children(worker)])
    pause(3)
    thaw()
    pause(2)

    run.finish(TERM)
    assert "hangs" not in run.output


def test_a_supervisor_that_was_stopped_blames_nobody(folder: Folder) -> None:
    folder.procfile(f"worker: {PINGING}")
    config(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    thaw = frozen_by_signal([run.supervisor()])
    pause(3)
    thaw()
    pause(2)

    run.finish(TERM)
    assert "hangs" not in run.output


# The real one


def test_a_sidekiq_that_stands_still_is_restarted_and_loses_no_job(folder: Folder) -> None:
    """Sidekiq's own unit for systemd has Type=notify and WatchdogSec=10; its thread speaks at half of that."""
    bed = Bed(folder.path)
    folder.procfile(f"worker: sidekiq -r {APP}/app.rb -c 5 -t 3")
    folder.write("procrun.toml", "[process.worker]\nwatchdog = 3\n")
    run = folder.start(env=bed.env)
    try:
        run.wait_for(r"Pinging systemd watchdog every 1\.5 sec")
        bed.enqueue(5, 30)
        bed.wait_for_starts(5)
        pid = next(int(row["pid"]) for row in json.loads(folder.procrun("ps", "--json").stdout))

        os.kill(pid, signal.SIGSTOP)

        run.wait_for(r"worker\.1 hangs: no WATCHDOG=1 for 3 s; restarting")
        run.wait_for(r"worker\.1 started", count=2)
        bed.wait_for_starts(10)
        assert run.output.count("hangs") == 1
        report = bed.report()
        assert (report["lost"], report["interrupted"]) == (0, 5)
        run.finish(TERM)
    finally:
        bed.close()


def test_what_has_answered_that_it_is_ready_is_expected_to_go_on(folder: Folder) -> None:
    folder.procfile("worker: echo up; exec sleep 1000")
    folder.write("procrun.toml", '[process.worker]\nwatchdog = 1\nready = { log = "up" }\n')
    run = folder.start()

    run.wait_for(r"worker\.1 hangs: no WATCHDOG=1 for 1 s; restarting")

    run.finish(TERM)
