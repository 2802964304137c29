"""What the end of a process means: it is started again, it ends the run, or neither."""

import json
import os
import re
import signal

from tests.harness import TERM, Folder, until

CRASHES_ONCE = "test -e was && exec sleep 1000; touch was; exit 3"


def config(folder: Folder, *lines: str) -> None:
    """Write [process.worker]."""
    folder.write("procrun.toml", "\n".join(["[process.worker]", *lines]) + "\n")


def states(folder: Folder) -> dict[str, str]:
    """What ps says."""
    return {row["name"]: row["state"] for row in json.loads(folder.procrun("ps", "--json").stdout)}


def pid_of(folder: Folder, name: str) -> int:
    """The leader's pid, as ps says."""
    return next(
        int(row["pid"] or 0) for row in json.loads(folder.procrun("ps", "--json").stdout) if row["name"] == name
    )


def test_on_failure_starts_a_crashed_process_again_and_the_run_goes_on(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", f"worker: {CRASHES_ONCE}")
    config(folder, 'restart = "on-failure"')
    run = folder.start()
    run.wait_for(r"worker\.1 ended by itself after .*: exit 3")
    run.wait_for(r"worker\.1 starts again in 0\.10 s")
    run.wait_for(r"worker\.1 started", count=2)

    assert run.finish(TERM) == -TERM
    assert re.search(r"worker\.1: killed by TERM, .*restarts 1", run.output)


def test_on_failure_lets_a_good_end_be_an_end(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 0")
    config(folder, 'restart = "on-failure"')
    run = folder.start()

    assert run.finish() == 0
    assert "worker.1 ended the run" in run.output


def test_always_undoes_a_good_end_and_a_kill_out_of_the_blue(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exec sleep 1000")
    config(folder, 'restart = "always"')
    run = folder.start()
    run.wait_for(r"worker\.1 started")

    os.kill(pid_of(folder, "worker.1"), signal.SIGKILL)

    run.wait_for(r"worker\.1 started", count=2)
    assert run.finish(TERM) == -TERM


def test_what_a_crashed_leader_leaves_is_gone_before_it_starts_again(folder: Folder) -> None:
    folder.procfile("worker: sleep 1000 & test -e was && wait; touch was; echo left $!; exit 3")
    config(folder, 'restart = "always"')
    run = folder.start()
    left = int(run.wait_for(r"left (\d+)")[1])
    run.wait_for(r"worker\.1 started", count=2)

    assert not os.path.exists(f"/proc/{left}")
    run.finish(TERM)


def test_the_limit_gives_up_and_an_essential_process_ends_the_run_with_its_status(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 7")
    config(folder, 'restart = "always"', 'restart_limit = "3/60"')
    run = folder.start()

    assert run.finish() == 7
    assert run.output.count("worker.1 started") == 4
    assert "worker.1 is given up: restarted 3 times in 60 s, and ended again" in run.output


def test_given_up_but_not_essential_the_run_goes_on_without_it(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 7")
    config(folder, 'restart = "on-failure"', 'restart_limit = "1/60"', "essential = false")
    run = folder.start()
    run.wait_for("is given up")

    until(lambda: states(folder) == {"web.1": "starting", "worker.1": "down"}, "worker.1 stays down")
    assert run.finish(TERM) == -TERM


def test_the_end_of_what_is_not_essential_ends_nothing(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 7")
    config(folder, "essential = false")
    run = folder.start()
    run.wait_for(r"worker\.1 ended by itself")

    until(lambda: states(folder) == {"web.1": "starting", "worker.1": "down"}, "web goes on")
    assert run.finish(TERM) == -TERM


def test_when_all_that_is_not_essential_has_ended_the_run_ends_with_the_first_failure(folder: Folder) -> None:
    folder.procfile("worker: sleep 0.1; exit $((${PS#worker.} * 2 - 2))")
    config(folder, "essential = false")
    run = folder.start("-c", "worker=3")

    assert run.finish() == 2
    assert "everything has ended" in run.output


def test_a_stop_by_hand_is_not_undone(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exec sleep 1000")
    config(folder, 'restart = "always"')
    run = folder.start()
    run.wait_for(r"worker\.1 started")

    folder.procrun("stop", "worker")

    assert states(folder) == {"web.1": "starting", "worker.1": "down"}
    run.finish(TERM)
    assert run.output.count("worker.1 started") == 1


def test_a_stop_ends_the_wait_for_the_next_start(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 3")
    config(folder, 'restart = "always"')
    run = folder.start()
    run.wait_for(r"worker\.1 starts again in 1\.60 s")
    until(lambda: states(folder)["worker.1"] == "crashed", "it waits, this time or the next")

    folder.procrun("stop", "worker")

    assert states(folder)["worker.1"] == "down"
    run.finish(TERM)


def test_restart_does_not_wait_for_the_pause_and_says_that_it_did_not_come_up(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 3")
    config(folder, 'restart = "always"')
    run = folder.start()
    run.wait_for(r"worker\.1 starts again in [1-9]")
    before = run.output.count("worker.1 started")

    result = folder.procrun("restart", "worker")

    assert result.returncode == 1
    assert "did not come up: worker.1" in result.stderr
    assert "starts again in" in result.stdout
    assert run.output.count("worker.1 started") >= before + 1
    run.finish(TERM)


def test_a_run_that_is_ending_starts_nothing_again(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done")
    config(folder, 'restart = "always"')
    run = folder.start()
    run.wait_for("ready")

    assert run.finish(TERM) == -TERM
    assert run.output.count("worker.1 started") == 1


def test_ps_tells_the_policy(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exec sleep 1000")
    config(folder, 'restart = "on-failure"')
    run = folder.start()
    run.wait_for(r"worker\.1 started")

    rows = json.loads(folder.procrun("ps", "--json").stdout)

    assert {row["name"]: row["restart"] for row in rows} == {"web.1": "never", "worker.1": "on-failure"}
    run.finish(TERM)


def test_a_limit_without_restarts_is_told(folder: Folder) -> None:
    folder.procfile("worker: true")
    config(folder, 'restart_limit = "10/5"')

    result = folder.procrun("check")

    assert "procrun.toml: process.worker.restart_limit: left unused, as nothing is restarted" in result.stderr


def test_bad_values_are_told_with_their_place(folder: Folder) -> None:
    folder.procfile("worker: true")
    faults = {
        'restart = "sometimes"': "restart: takes one of never, on-failure, always; this is",
        'restart_limit = "10"': "restart_limit: takes restarts and the seconds in which they are too many",
        'restart_limit = "0/5"': "restart_limit: takes restarts",
        'essential = "yes"': "essential: takes true or false",
    }
    for line, text in faults.items():
        config(folder, line)
        result = folder.procrun("start")
        assert result.returncode == 2
        assert f"procrun.toml: process.worker.{text}" in result.stderr
