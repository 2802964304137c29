"""`procrun restart`: in parallel, inside the budget, and answered when the new processes run."""

import re

from procrun.control import client
from procrun.control.protocol import Done, Hello, Stop, decode_answer, encode
from procrun.core import run_dir
from tests.harness import TERM, Folder, child

IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def test_restart_of_a_type_restarts_all_its_instances_in_parallel(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "1", "0"))
    run = folder.start("-c", "worker=3")
    run.wait_for("ready", count=4)

    result = folder.procrun("restart", "worker")

    assert result.returncode == 0
    steps = re.findall(r"s  worker\.\d +(TERM|gone)", result.stdout)
    assert steps == [*["TERM"] * 3, *["gone"] * 3]
    assert len(re.findall(r"worker\.\d +running", result.stdout)) == 3
    assert "web.1" not in result.stdout
    run.wait_for(r"worker\.\d +\| ready", count=6)
    run.finish(TERM)


def test_restart_of_an_instance_leaves_the_others_alone(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "0", "0"))
    run = folder.start("-c", "worker=2")
    run.wait_for("ready", count=2)

    folder.procrun("restart", "worker.2")

    run.wait_for(r"worker\.2 +\| ready", count=2)
    assert len(re.findall(r"worker\.1 +\| ready", run.output)) == 1
    run.finish(TERM)


def test_restart_without_a_name_restarts_everything_and_does_not_end_the_run(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready", count=2)

    assert folder.procrun("restart").returncode == 0

    run.wait_for("ready", count=4)
    assert run.finish(TERM) == -TERM


def test_the_reply_comes_when_the_new_process_runs(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "0.5", "0"))
    run = folder.start()
    old = run.wait_for(r"ready pid=(\d+)")[1]

    result = folder.procrun("restart", "worker")

    steps = re.findall(r"s  worker\.1 +(\w+)", result.stdout)
    assert steps == ["TERM", "exit", "gone", "started", "running"]
    new = re.search(r"started, pid (\d+)", result.stdout)
    assert new is not None
    assert new[1] != old
    assert re.search(rf"worker\.1 +up +{new[1]} ", folder.procrun("ps").stdout)
    run.finish(TERM)


def test_a_restart_that_needs_kill_says_so_in_herokus_words(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "1")
    run.wait_for("ready")

    result = folder.procrun("restart", "worker")

    r12 = "Error R12 (Exit timeout) -> At least one process failed to exit within 1 seconds of SIGTERM"
    assert result.returncode == 0
    assert re.search(rf"[1-5]\.\d\d s  worker\.1 +KILL: {re.escape(r12)}", result.stdout)
    assert r12 in run.output
    run.wait_for(r"worker\.1 +\| ready", count=2)
    run.finish(TERM)


def test_a_restart_may_have_a_budget_of_its_own(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "1")
    run.wait_for("ready")

    result = folder.procrun("restart", "worker", "-t", "0.2")

    assert "within 0.2 seconds of SIGTERM" in result.stdout
    run.finish(TERM)


def test_a_new_process_that_cannot_start_is_told(folder: Folder) -> None:
    script = folder.write("worker", "#!/bin/sh\necho ready; exec sleep 60\n")
    script.chmod(0o755)
    folder.procfile("worker: ./worker")
    run = folder.start()
    run.wait_for("ready")
    script.unlink()

    result = folder.procrun("restart", "worker")

    assert result.returncode == 1
    assert "exit 127 (command not found)" in result.stdout
    assert result.stderr == "procrun: did not come up: worker.1; its output says why\n"
    assert run.finish() == 127


def test_restart_keeps_the_plan_and_says_when_a_file_has_changed(folder: Folder) -> None:
    folder.procfile("worker: echo old; exec sleep 60")
    run = folder.start()
    run.wait_for(r"\| old")
    folder.procfile("worker: echo new; exec sleep 60")

    result = folder.procrun("restart", "worker")

    assert result.stderr == (
        "procrun: Procfile has changed since the start; restart keeps the old plan, "
        "`procrun reload` restarts what is new in it\n"
    )
    run.wait_for(r"\| old", count=2)
    run.finish(TERM)


def test_a_stopped_instance_is_started_by_a_restart(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    folder.procrun("stop", "worker")

    result = folder.procrun("restart", "worker")

    assert result.returncode == 0
    run.wait_for("ready", count=2)
    run.finish(TERM)


def test_a_stop_during_a_restart_wins(folder: Folder) -> None:
    leave = "echo asked to stop; while ! [ -e go ]; do sleep 0.05; done; exit"
    folder.procfile("web: sleep 60", f"worker: trap '{leave}' TERM; echo ready; while :; do sleep 0.1; done")
    run = folder.start("-t", "60")
    run.wait_for("ready")
    restart = folder.background("restart", "worker")
    run.wait_for("asked to stop")

    [path] = run_dir.sockets(str(folder.path))
    with client.connect(path) as stop:
        stop.sendall(encode(Stop(["worker"])))
        client.ask(path, Hello())  # what came before is taken when this is answered
        folder.write("go", "")
        answers = [decode_answer(line) for line in stop.makefile("rb")]

    assert isinstance(answers[-1], Done)
    restart.communicate()
    assert restart.returncode == 1
    assert re.search(r"^worker\.1 +down", folder.procrun("ps").stdout, re.MULTILINE)
    run.finish(TERM)
