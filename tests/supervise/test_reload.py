"""`procrun reload`: what is new in Procfile, .env and procrun.toml is put in place, and nothing else is touched."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from procrun.core import run_dir
from procrun.core.spec import Manners, Spec, Step
from procrun.supervise.handlers.reload import difference
from tests.harness import PROCRUN, PYTHON, TERM, Folder, Run, alive, child, until

SAYS = "sh -c 'echo {0} is ready $$; trap \"exit 0\" TERM; while :; do sleep 1; done'"


def pid_of(run: Run, word: str, count: int = 1) -> int:
    return int(run.wait_for(rf"{word} is ready (\d+)", count)[1])


def two(folder: Folder, web: str = "web", worker: str = "worker") -> None:
    folder.procfile(f"web: {SAYS.format(web)}", f"worker: {SAYS.format(worker)}")


def both_serve(folder: Folder) -> None:
    """Wait for the sockets of two runs: without a name only those are asked that are there."""
    until(lambda: len(run_dir.sockets(str(folder.path))) == 2, "both sockets are there")


def test_only_what_is_new_is_restarted(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    web, worker = pid_of(run, "web"), pid_of(run, "worker")
    two(folder, web="other")

    result = folder.procrun("reload")

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("web.1 restarts: command\nworker.1 unchanged\n")
    pid_of(run, "other")
    run.wait_for(r"procrun +\| web\.1 restarts: command$")
    assert not alive(web)
    assert alive(worker)
    assert "worker.1 unchanged" not in run.output
    run.finish(TERM)


def test_variable_is_told_by_its_name_and_its_value_never(folder: Folder) -> None:
    folder.write(".env", "SECRET_KEY=old-secret\nGONE=x\nKEPT=y\n")
    folder.procfile("web: sh -c 'echo key=$SECRET_KEY new=$NEW; exec sleep 60'")
    run = folder.start()
    run.wait_for("key=old-secret")
    folder.write(".env", "SECRET_KEY=new-secret\nNEW=z\nKEPT=y\n")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 restarts: env GONE NEW SECRET_KEY\n")
    run.wait_for("key=new-secret new=z")
    told = [line for line in run.output.splitlines() if "procrun " in line]
    assert "secret" not in result.stdout + result.stderr + "\n".join(told)
    run.finish(TERM)


def test_port_that_moves_with_a_new_type_before_it_restarts(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: sleep 60")
    run = folder.start()
    run.wait_for(r"worker\.1 started, pid \d+, port 5100")
    folder.procfile("web: sleep 60", "clock: sleep 60", "worker: sleep 60")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 unchanged\nworker.1 restarts: port\nclock.1 starts: it is new\n")
    run.wait_for(r"clock\.1 started, pid \d+, port 5100")
    run.wait_for(r"worker\.1 started, pid \d+, port 5200")
    run.finish(TERM)


def test_what_is_gone_from_the_procfile_is_stopped_and_the_run_goes_on(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    web, worker = pid_of(run, "web"), pid_of(run, "worker")
    folder.procfile(f"web: {SAYS.format('web')}")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 unchanged\nworker.1 stops: it is no longer planned\n")
    assert result.returncode == 0
    assert not alive(worker)
    assert alive(web)
    assert "worker" not in folder.procrun("ps").stdout
    run.finish(TERM)


def test_nothing_new_touches_nothing(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pids = pid_of(run, "web"), pid_of(run, "worker")

    result = folder.procrun("reload")

    assert (result.returncode, result.stdout) == (0, "web.1 unchanged\nworker.1 unchanged\n")
    assert all(map(alive, pids))
    run.finish(TERM)


def test_dry_run_tells_the_same_and_does_nothing(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pids = pid_of(run, "web"), pid_of(run, "worker")
    folder.procfile(f"web: {SAYS.format('other')}", "clock: sleep 60")

    rehearsed = folder.procrun("reload", "--dry-run")

    plan = "web.1 restarts: command\nworker.1 stops: it is no longer planned\nclock.1 starts: it is new\n"
    assert (rehearsed.returncode, rehearsed.stdout) == (0, plan)
    assert rehearsed.stderr == "procrun: nothing was done\n"
    assert all(map(alive, pids))
    assert "clock" not in folder.procrun("ps").stdout
    assert "Procfile has changed since the start" in folder.procrun("restart", "worker").stderr
    run.finish(TERM)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("Procfile", "web: sleep 60\n=:\n", "Procfile:2: "),
        ("Procfile", "", "Procfile: "),
        (".env", b"KEY=\xff\n", ".env:1: "),
        ("procrun.toml", "[process.web]\nstop_sequense = 1\n", "procrun.toml: process.web.stop_sequense: unknown key"),
        ("procrun.toml", "platform = \n", "procrun.toml:1:12: is no TOML"),
        ("procrun.toml", "[process.wep]\n", "procrun.toml: process.wep: no such process type"),
    ],
)
def test_fault_in_a_file_is_one_line_with_its_place_and_nothing_is_touched(
    folder: Folder, file: str, text: str | bytes, expected: str
) -> None:
    two(folder)
    run = folder.start()
    pids = pid_of(run, "web"), pid_of(run, "worker")
    folder.write(file, text)

    for arguments in (["reload"], ["reload", "--dry-run"]):
        result = folder.procrun(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"procrun: {expected}")
        assert result.stderr.count("\n") == 1
    assert all(map(alive, pids))
    run.finish(TERM)


def test_line_that_is_left_out_is_told(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    with (folder.path / "Procfile").open("a") as procfile:
        procfile.write("nonsense\n")

    result = folder.procrun("reload")

    assert (result.returncode, result.stdout) == (0, "web.1 unchanged\nworker.1 unchanged\n")
    assert result.stderr.startswith("procrun: Procfile:3: ")
    run.finish(TERM)


def test_new_manners_are_taken_over_without_a_restart(folder: Folder) -> None:
    folder.procfile("web: " + child("stubborn.py", "notes"))
    folder.write("procrun.toml", "restart_budget = 30\n")
    run = folder.start()
    pid = int(run.wait_for(r"web\.1 started, pid (\d+)")[1])
    run.wait_for("ready")
    folder.write("procrun.toml", 'restart_budget = 1\n[process.web]\nrestart = "on-failure"\n')

    result = folder.procrun("reload")

    assert result.stdout == "web.1 goes on with another stop sequence, restart policy\n"
    assert alive(pid)
    [row] = json.loads(folder.procrun("ps", "--json").stdout)
    assert (row["pid"], row["restart"]) == (pid, "on-failure")
    run.finish(TERM)
    assert re.search(r"web\.1 KILL after [1-5]\.\d\d s", run.output), run.output


def test_new_manners_reach_the_front_that_stops_all_when_the_supervisor_is_killed(folder: Folder) -> None:
    folder.procfile("web: " + child("stubborn.py", "notes"))
    folder.write("procrun.toml", "restart_budget = 25\n")
    run = folder.start()
    run.wait_for("ready")
    folder.write("procrun.toml", "restart_budget = 1\n")
    folder.procrun("reload")

    os.kill(run.supervisor(), signal.SIGKILL)
    run.finish()

    assert re.search(r"KILL after [1-5]\.\d", run.output), run.output


def order(folder: Folder, before: str, behind: str, formation: str) -> None:
    after = f'{behind}.after = ["{before}"]\n'
    folder.write("procrun.toml", f'formation = "{formation}"\n[process]\nweb.ready = false\n{after}')


@pytest.mark.parametrize("before, behind", [("web", "worker"), ("worker", "web")])
@pytest.mark.parametrize("what", ["all live on", "restarts", "is stopped by hand", "is fewer"])
def test_order_can_be_turned_round(folder: Folder, before: str, behind: str, what: str) -> None:
    two(folder)
    order(folder, before, behind, "all=2")
    run = folder.start()
    run.wait_for(rf"{behind}\.2 started")
    order(folder, behind, before, f"{behind}=1,all=2" if what == "is fewer" else "all=2")
    if what == "restarts":
        two(folder, **{behind: "other"})
    elif what == "is stopped by hand":
        assert folder.procrun("stop", f"{behind}.2").returncode == 0

    result = folder.procrun("reload")

    assert result.returncode == 0, result.stderr
    assert f"{before}.1 goes on with another after\n" in result.stdout
    run.finish(TERM)
    assert run.output.rindex(f"{before}.1 TERM") < run.output.rindex(f"{behind}.1 TERM")


def test_new_quota_of_memory_holds_for_the_running_process(folder: Folder) -> None:
    hog = 'held = b"x" * 60_000_000; print("ready", flush=True); import signal; signal.pause()'
    folder.procfile(f"web: {PYTHON} -c '{hog}'")
    run = folder.start()
    run.wait_for("ready")
    folder.write("procrun.toml", '[process.web]\nmemory = "50M"\n')

    result = folder.procrun("reload")

    assert result.stdout == "web.1 goes on with another memory\n"
    run.wait_for(r"web\.1 Process running mem=\d+M\(1\d\d\.\d%\); Error R14")
    assert run.output.count("web.1 started") == 1
    run.finish(TERM)


def test_what_was_stopped_by_hand_stays_down_and_has_the_new_plan_at_its_next_start(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    folder.procrun("stop", "worker")
    two(folder, worker="other")

    result = folder.procrun("reload")

    assert result.stdout == "web.1 unchanged\nworker.1 stays down; has another command\n"
    assert re.search(r"^worker\.1 +down", folder.procrun("ps").stdout, re.MULTILINE)
    folder.procrun("start", "worker")
    pid_of(run, "other")
    run.finish(TERM)


def test_what_has_ended_by_itself_is_started_with_what_is_new(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.job]\nessential = false\n")
    folder.procfile("web: sleep 60", "job: false")
    run = folder.start()
    run.wait_for(r"job\.1 ended by itself")
    folder.procfile("web: sleep 60", f"job: {SAYS.format('job')}")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 unchanged\njob.1 restarts: command\n")
    pid_of(run, "job")
    run.finish(TERM)


def test_scaled_formation_is_kept(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    folder.procrun("scale", "web=2", "worker=0")
    two(folder, web="other")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 restarts: command\nweb.2 restarts: command\n")
    assert "worker" not in result.stdout
    pid_of(run, "other", 2)
    run.finish(TERM)


def test_each_run_in_a_folder_reloads_its_own_part(folder: Folder) -> None:
    two(folder)
    first, second = folder.start("web"), folder.start("worker")
    pid_of(first, "web"), pid_of(second, "worker")
    both_serve(folder)
    folder.procfile(f"web: {SAYS.format('other')}", f"worker: {SAYS.format('more')}", "clock: sleep 60")

    result = folder.procrun("reload")

    assert result.returncode == 0
    assert "web.1 restarts: command\n" in result.stdout
    assert "worker.1 restarts: command\n" in result.stdout
    assert "clock" not in result.stdout
    pid_of(first, "other"), pid_of(second, "more")
    for run in (first, second):
        run.finish(TERM)


def test_fault_that_one_of_two_runs_finds_leaves_both_alone(folder: Folder) -> None:
    two(folder)
    first, second = folder.start("web"), folder.start("worker")
    pids = pid_of(first, "web"), pid_of(second, "worker")
    both_serve(folder)
    folder.procfile(f"web: {SAYS.format('other')}")

    result = folder.procrun("reload")

    assert result.returncode == 2
    assert result.stderr.startswith('procrun: Procfile: no process "worker"; there are: web')
    assert all(map(alive, pids))
    for run in (first, second):
        run.finish(TERM)


def test_store_is_stopped_last_and_started_first(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.web]\nafter = ["store"]\n')
    folder.procfile(f"store: {SAYS.format('store')}", f"web: {SAYS.format('web')}")
    run = folder.start()
    pid_of(run, "store"), pid_of(run, "web")
    folder.write(".env", "NEW=1\n")

    folder.procrun("reload")

    pid_of(run, "web", 2)
    steps = re.findall(r"\| (\w+\.1 (?:TERM|started))", run.output)
    assert steps[-4:] == ["web.1 TERM", "store.1 TERM", "store.1 started", "web.1 started"]
    run.finish(TERM)


def test_what_does_not_come_up_is_told(folder: Folder) -> None:
    folder.write("procrun.toml", "[process.web]\nessential = false\n")
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    folder.procfile("web: exit 3", f"worker: {SAYS.format('worker')}")

    result = folder.procrun("reload")

    assert result.returncode == 1
    assert result.stderr == "procrun: did not come up: web.1; its output says why\n"
    run.finish(TERM)


def test_procfile_from_standard_input_cannot_be_read_again(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    with (folder.path / "Procfile").open() as procfile:
        popen = subprocess.Popen(
            [*PROCRUN, "start", "-f", "-"],
            cwd=folder.path,
            env=dict(os.environ),
            stdin=procfile,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    run = Run(popen)
    folder.runs.append(run)
    run.wait_for(r"web\.1 started")

    result = folder.procrun("reload")

    assert result.returncode == 2
    assert result.stderr.startswith("procrun: stdin: is no plain file and is read only once")
    run.finish(TERM)


def test_reload_as_json_has_the_plan_among_its_steps(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    two(folder, web="other")

    told = json.loads(folder.procrun("reload", "--json").stdout)

    plans = [(step["name"], step["text"]) for step in told["steps"] if step["what"] == "plan"]
    assert plans == [("web.1", "restarts: command"), ("worker.1", "unchanged")]
    assert told["failed"] == []
    run.finish(TERM)


def test_platform_and_log_files_after_a_reload(folder: Folder) -> None:
    two(folder)
    run = folder.start()
    pid_of(run, "web"), pid_of(run, "worker")
    refused = folder.procrun("signal", "USR2", "web")
    folder.write("procrun.toml", 'platform = "server"\nlog_dir = "log"\n')

    result = folder.procrun("reload")

    assert "this run is on local" in refused.stderr
    assert "this run is on" not in folder.procrun("signal", "USR2", "web").stderr
    assert result.stderr == "procrun: procrun.toml: log_dir is new; it holds from the next `procrun start` on\n"
    run.finish(TERM)


def test_without_a_run_there_is_nothing_to_reload(folder: Folder) -> None:
    folder.procfile("web: sleep 60")

    result = folder.procrun("reload")

    assert result.returncode == 1
    assert result.stderr.startswith("procrun: nothing runs in ")


def test_many_variables_are_counted() -> None:
    manners = Manners((Step(signal.SIGTERM, 10.0),))
    before = Spec("web.1", "web", "x", "x", {}, "/", 5000, False, manners)
    now = before._replace(env={f"V{number}": "x" for number in range(9)}, root="/app", port=5100, console="pty")

    found = difference(before, now)

    assert found.runs_with == ("env V0 V1 V2 V3 V4 V5 and 3 more", "folder", "port", "terminal")
    assert difference(before, before) == ((), ())
    assert Path(now.root).is_absolute()


def test_another_watchdog_needs_a_new_process_since_its_environment_tells_of_it(folder: Folder) -> None:
    folder.procfile("web: echo ready $WATCHDOG_USEC; exec sleep 1000")
    folder.write("procrun.toml", "[process.web]\nwatchdog = 1000\n")
    run = folder.start()
    run.wait_for("ready 1000000000$")
    folder.write("procrun.toml", "[process.web]\nwatchdog = 2000\n")

    result = folder.procrun("reload")

    assert result.stdout.startswith("web.1 restarts: watchdog\n")
    run.wait_for("ready 2000000000$")
    run.finish(TERM)
