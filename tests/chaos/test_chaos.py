"""Faults on purpose: the plan that a seed gives, what is done and spared, and how a recovery is told from a failure."""

import json
import os
import re
import signal
import subprocess

import pytest

from procrun.chaos.schedule import Fault, draw
from procrun.system.linux import procfs
from tests.harness import INT, PROCRUN, TERM, Folder, Run, alive, child, until

POLITE = child("polite.py", "0", "0")
TARGETS = {"kill": ["web.1", "worker.1"], "stop": ["web.1", "worker.1"], "flood": ["worker.1"]}


def started(folder: Folder, *arguments: str, restart: str = "always", more: str = "") -> tuple[Run, int]:
    """A run of one polite web that is started again, and its pid."""
    folder.procfile("web: " + POLITE)
    folder.write("procrun.toml", f'[process.web]\nrestart = "{restart}"\n{more}')
    run = folder.start(*arguments)
    return run, int(run.wait_for(r"ready pid=(\d+)")[1])


def stopped(pid: int) -> bool:
    row = procfs.stat(pid)
    return row is not None and row.state == "T"


def told(result: "subprocess.CompletedProcess[str]") -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(result.stdout)
    return found


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert draw(7, TARGETS, 60, 2) == draw(7, TARGETS, 60, 2)
    assert draw(7, TARGETS, 60, 2) != draw(8, TARGETS, 60, 2)


def test_a_seed_gives_the_same_plan_in_every_python() -> None:
    assert draw(7, TARGETS, 6, 2) == (
        Fault(1, 0.0, "kill", "web.1", 0.0, 0.2414542888918092),
        Fault(2, 2.0, "stop", "web.1", 0.64, None),
        Fault(3, 4.0, "kill", "web.1", 0.0, 0.3023767111462169),
    )


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    assert draw(7, TARGETS, 60, 2)[:10] == draw(7, TARGETS, 20, 2)


def test_a_plan_keeps_to_its_targets_times_and_lengths() -> None:
    plan = draw(1, TARGETS, 1000, 0.5)

    assert [fault.at for fault in plan] == [number * 0.5 for number in range(2000)]
    assert all(fault.instance in TARGETS[fault.kind] for fault in plan)
    assert {fault.kind for fault in plan} == {"kill", "stop", "flood"}
    assert all(0.5 <= fault.seconds <= 3 for fault in plan if fault.kind == "stop")
    assert {fault.child is None for fault in plan if fault.kind == "kill"} == {True, False}
    assert all(0 <= fault.child < 1 for fault in plan if fault.child is not None)


def test_without_a_run_it_refuses(folder: Folder) -> None:
    folder.procfile("web: sleep 60")

    result = folder.procrun("chaos")

    assert result.returncode == 1
    assert result.stderr == f"procrun: nothing runs in {folder.path}; start it with `procrun start`\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "0"], '"0" is no time here; give seconds from 0.1 to 3600'),
        (["--for", "3601"], '"3601" is no time here; give seconds from 0.1 to 3600'),
        (["--for", "nan"], '"nan" is no time here; give seconds from 0.1 to 3600'),
        (["--every", "soon"], '"soon" is no time here; give seconds from 0.1 to 3600'),
        (["--recover", "-1"], '"-1" is no time here; give seconds from 0.1 to 3600'),
        (["--faults", "kill,flod"], '"flod" is no fault; there are: kill, stop, flood; did you mean "flood"?'),
        (["--faults", ","], "names no fault; there are: kill, stop, flood"),
        (["--seed", "-3"], '"-3" is no seed; give a whole number of up to 18 digits'),
    ],
)
def test_a_value_that_makes_no_sense_is_one_line(folder: Folder, arguments: list[str], message: str) -> None:
    result = folder.procrun("chaos", *arguments)

    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unknown_name_lists_the_names_there_are(folder: Folder) -> None:
    run, pid = started(folder)

    result = folder.procrun("chaos", "wbe")

    assert result.returncode == 2
    assert result.stderr == 'procrun: no process "wbe" here; there are: web, web.1; did you mean "web"?\n'
    assert alive(pid)
    run.finish(TERM)


def test_a_run_recovers_from_all_kinds_of_faults(folder: Folder) -> None:
    folder.procfile("web: " + POLITE, "worker: sleep 1000; exit 3")  # its shell stays: two processes
    folder.write("procrun.toml", '[process.web]\nrestart = "always"\n[process.worker]\nrestart = "on-failure"\n')
    run = folder.start(dropping="procrun chaos: flood (?!2$)")
    run.wait_for("ready")

    result = folder.procrun("chaos", "--seed", "11", "--for", "3", "--every", "0.4")

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "seed 11: 8 faults in 5 s on web.1, worker.1"
    assert lines[1].split() == ["TIME", "FAULT", "INSTANCE", "PID", "RECOVERED", "AFTER"]
    assert {line.split()[2] for line in lines[2:-1]} == {"kill", "stop", "flood"}
    assert "everything recovered, nothing is left" in lines[-1]
    assert lines[-1].endswith("seed 11")
    assert all(row["state"] in ("up", "starting") for row in json.loads(folder.procrun("ps", "--json").stdout))
    assert run.finish(TERM) == -TERM


def test_the_plan_that_is_shown_is_the_one_that_is_done(folder: Folder) -> None:
    run, pid = started(folder)
    arguments = ("chaos", "--seed", "4", "--for", "1", "--every", "0.5", "--faults", "stop,kill", "--json")

    shown = told(folder.procrun(*arguments, "--dry-run"))
    assert alive(pid)
    done = told(folder.procrun(*arguments))

    assert shown["plan"] == done["plan"]
    assert [result["number"] for result in done["results"]] == [1, 2]
    assert done["ok"]
    run.finish(TERM)


def test_without_a_seed_a_new_one_is_chosen_and_told(folder: Folder) -> None:
    run, _ = started(folder)

    seeds = {re.match(r"seed (\d+): ", folder.procrun("chaos", "--dry-run").stdout)[1] for _ in range(3)}  # type: ignore[index]

    assert len(seeds) > 1
    run.finish(TERM)


def test_a_killed_leader_is_up_again_with_another_pid(folder: Folder) -> None:
    run, pid = started(folder, restart="on-failure")

    [result] = told(folder.procrun("chaos", "--seed", "3", "--for", "0.5", "--faults", "kill", "--json"))["results"]

    assert result["pid"] == pid
    assert not alive(pid)
    assert isinstance(result["recovered"], float)
    assert int(run.wait_for(r"ready pid=(\d+)", count=2)[1]) != pid
    run.finish(TERM)


def test_a_flood_reaches_the_stream_in_whole_lines_that_say_what_they_are(folder: Folder) -> None:
    chatter = "import time\nwhile True: print('x' * 3000, flush=True); time.sleep(0.001)"
    folder.write("chatter.py", chatter)
    folder.procfile("web: python3 chatter.py")
    run = folder.start("--no-timestamp", dropping=r"^web\.1 +\| (procrun chaos: flood 1|x{3000})$")
    run.wait_for("started")

    result = folder.procrun("chaos", "--seed", "1", "--for", "0.5", "--faults", "flood", "--json")

    [flood] = told(result)["results"]
    assert 1_000_000 < int(str(flood["written"])) <= 50_000_000
    run.finish(TERM)
    assert "flood" not in run.output.replace("procrun chaos: flood 1\n", ""), "a line was torn"


def test_a_flood_never_hangs_where_nobody_reads_the_output(folder: Folder) -> None:
    folder.procfile("web: sleep 1000")
    popen = subprocess.Popen(
        [*PROCRUN, "start"],
        cwd=folder.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert popen.stdout is not None
        assert b"started" in popen.stdout.readline()  # and no more
        until(lambda: folder.procrun("ps").returncode == 0, "the run has its socket")

        result = folder.procrun("chaos", "--seed", "1", "--for", "0.5", "--faults", "flood", "--json")

        assert result.returncode == 0, result.stdout + result.stderr
    finally:
        popen.terminate()
        popen.communicate()


def test_who_would_not_be_started_again_is_not_killed(folder: Folder) -> None:
    run, pid = started(folder, restart="never")

    mixed = folder.procrun("chaos", "--seed", "1", "--for", "1", "--every", "0.5", "--faults", "kill,stop")
    only = folder.procrun("chaos", "--faults", "kill")

    note = 'procrun: no kill for web.1: it would not be started again; set restart = "on-failure" in procrun.toml\n'
    assert (mixed.returncode, mixed.stderr) == (0, note)
    assert (only.returncode, only.stderr) == (2, note + "procrun: chaos: nothing here can take such a fault\n")
    assert alive(pid)
    run.finish(TERM)


def test_a_store_is_killed_by_name_only(folder: Folder) -> None:
    folder.procfile("redis: sleep 1000", "web: " + POLITE)
    folder.write("procrun.toml", '[process.redis]\nprofile = "redis"\nrestart = "always"\n[process.web]\nafter = []\n')
    run = folder.start()
    run.wait_for("ready pid")
    arguments = ("--seed", "1", "--for", "0.5", "--faults", "kill")

    spared = folder.procrun("chaos", "--dry-run", *arguments)
    killed = folder.procrun("chaos", "redis", *arguments)

    assert (
        "no kill for redis.1: a store may lose what it has not saved; give its name to have it killed" in spared.stderr
    )
    assert killed.returncode == 0
    run.wait_for(r"redis\.1 ended by itself after .*: killed by KILL")
    run.finish(TERM)


def test_what_does_not_run_or_writes_elsewhere_is_left_alone_and_said_so(folder: Folder) -> None:
    folder.procfile("web: " + POLITE + " > log", "worker: " + POLITE)
    run = folder.start()
    run.wait_for("ready")
    folder.procrun("stop", "worker")

    result = folder.procrun("chaos", "--dry-run", "--faults", "stop,flood", "--json")

    assert result.stderr.splitlines() == [
        "procrun: left alone: worker.1 is down",
        "procrun: no flood for web.1: its output does not go to procrun",
    ]
    assert {(fault["kind"], fault["instance"]) for fault in told(result)["plan"]} == {("stop", "web.1")}
    run.finish(TERM)


def test_several_runs_in_one_folder_are_all_meant(folder: Folder) -> None:
    folder.procfile("web: " + POLITE, "worker: " + POLITE)
    runs = [folder.start("web"), folder.start("worker")]
    for run in runs:
        run.wait_for("ready")

    result = folder.procrun("chaos", "--seed", "2", "--for", "2", "--every", "0.4", "--faults", "stop")

    assert result.returncode == 0
    assert "on web.1, worker.1\n" in result.stdout
    for run in runs:
        run.finish(TERM)


@pytest.mark.parametrize(("number", "status"), [(INT, 130), (TERM, 143)])
def test_an_interrupted_one_continues_what_it_has_stopped(folder: Folder, number: int, status: int) -> None:
    run, pid = started(folder)
    chaos = folder.background("chaos", "--seed", "1", "--for", "30", "--every", "20", "--faults", "stop")
    until(lambda: stopped(pid), "web is stopped")

    chaos.send_signal(number)
    out, err = chaos.communicate()

    assert (chaos.returncode, err) == (status, "")
    assert re.search(rf"stop \d\.\d s +web\.1 +{pid} +not waited for\n", out)
    assert f"ended by {signal.Signals(number).name[3:]}; what was stopped goes on" in out
    until(lambda: not stopped(pid), "web goes on")
    run.finish(TERM)


def test_when_it_is_killed_a_stop_of_the_run_still_works(folder: Folder) -> None:
    run, pid = started(folder)
    chaos = folder.background("chaos", "--seed", "1", "--for", "30", "--every", "20", "--faults", "stop")
    until(lambda: stopped(pid), "web is stopped")

    chaos.kill()
    chaos.communicate()
    assert stopped(pid)

    assert folder.procrun("stop").returncode == 0
    assert run.finish() == 0
    assert re.search(r"web\.1 +\| bye", run.output)


def test_a_run_that_ends_meanwhile_is_said_and_is_no_success(folder: Folder) -> None:
    run, pid = started(folder)
    chaos = folder.background("chaos", "--seed", "1", "--for", "30", "--every", "1", "--faults", "stop")
    until(lambda: stopped(pid), "web is stopped")

    run.finish(TERM)
    out, err = chaos.communicate()

    assert chaos.returncode == 1
    assert err == f"procrun: the run (pid {run.pid}) has ended\n"
    assert "not everything is as it was" in out


def test_a_run_that_gives_no_answer_is_said_and_what_is_stopped_goes_on(folder: Folder) -> None:
    run, pid = started(folder)
    supervisor = procfs.stat(pid).ppid  # type: ignore[union-attr]
    chaos = folder.background("chaos", "--seed", "1", "--for", "30", "--every", "20", "--faults", "stop")
    until(lambda: stopped(pid), "web is stopped")

    os.kill(supervisor, signal.SIGSTOP)
    try:
        _, err = chaos.communicate()
    finally:
        os.kill(supervisor, signal.SIGCONT)

    assert chaos.returncode == 1
    assert err == f"procrun: the run (pid {run.pid}) gave no answer for 5 s\n"
    assert not stopped(pid)
    run.finish(TERM)


def test_what_does_not_come_back_is_named(folder: Folder) -> None:
    folder.procfile("web: " + POLITE, "other: sleep 1000")
    settings = 'restart = "always"\nrestart_limit = "1/60"\nessential = false'
    folder.write("procrun.toml", f"[process.web]\n{settings}\n")
    run = folder.start()
    run.wait_for("ready")

    result = folder.procrun(
        "chaos", "web", "--seed", "1", "--for", "3", "--every", "1.5", "--faults", "kill", "--recover", "2"
    )

    assert result.returncode == 1
    assert result.stderr == "procrun: web.1 is down (last exit: killed by KILL)\n"
    assert re.search(r"(?m)^[\d.]+ s +kill( child)? +web\.1 +\d+ +no$", result.stdout)
    run.finish(TERM)


def test_what_a_kill_leaves_behind_is_named(folder: Folder) -> None:
    stubborn = "trap '' TERM; while :; do sleep 0.1; done"
    folder.write("leave.sh", f'sh -c "{stubborn}" & echo $! >> pids; echo ready; wait')
    folder.procfile("web: sh leave.sh")
    folder.write(
        "procrun.toml",
        'platform = "server"\n[process.web]\nrestart = "always"\nstop_sequence = "term, 0.2"\nno_kill = true\n',
    )
    run = folder.start()
    run.wait_for("ready")

    result = folder.procrun("chaos", "--seed", "3", "--for", "0.5", "--faults", "kill", "--recover", "1")

    left = (folder.path / "pids").read_text().split()[0]
    assert result.returncode == 1
    assert f"procrun: left of web.1: pid {left} (sh -c trap '' TERM; while" in result.stderr
    for pid in (folder.path / "pids").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    run.finish(TERM)
