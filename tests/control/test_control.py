"""The control verbs and the socket behind them: ps, scale, several runs in a folder, and what is refused."""

import json
import os
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.harness import PATIENCE, PYTHON, TERM, Folder, alive, child, free_base, until

SLOW = (
    "trap 'echo asked to stop; until test -e go; do sleep 0.05; done; exit' TERM; "
    "echo ready; while :; do sleep 0.05; done"
)
"""Told to stop it waits for a file, however long others take for what is to happen meanwhile."""


def socket_of(folder: Folder) -> Path:
    found = list((folder.path / ".procrun").glob("*.sock"))
    assert len(found) == 1
    return found[0]


def test_ps_shows_each_instance_in_a_table(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: sleep 60")
    base = free_base()  # where no server of another test makes web ready
    run = folder.start("-p", str(base))
    pid = run.wait_for(r"ready pid=(\d+)")[1]

    lines = folder.procrun("ps").stdout.splitlines()

    columns = ["NAME", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEMORY", "LAST", "EXIT"]
    assert lines[0].split() == columns
    assert re.fullmatch(rf"web\.1 +starting +{pid} +{base} +[\d.]+ s +0 +[\d.]+% +[\d.]+ MB +-", lines[1])
    assert re.match(rf"worker\.1 +up +\d+ +{base + 100} ", lines[2])
    run.finish(TERM)


def test_ps_as_json_has_numbers_in_seconds_and_bytes(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    base = free_base()
    run = folder.start("-p", str(base))
    pid = int(run.wait_for(r"ready pid=(\d+)")[1])

    [row] = json.loads(folder.procrun("ps", "--json").stdout)

    assert (row["name"], row["state"], row["pid"], row["port"], row["restarts"]) == ("web.1", "starting", pid, base, 0)
    assert 0 < row["uptime"] < 60
    assert row["memory"] > 1_000_000
    assert row["cpu_seconds"] >= 0
    assert row["last_exit"] is None
    run.finish(TERM)


def test_ps_counts_the_memory_of_descendants(folder: Folder) -> None:
    eater = 'x = bytearray(50_000_000); print("ready", flush=True); import time; time.sleep(60)'
    folder.procfile(f"web: python3 -c '{eater}'; true")  # `; true` keeps the shell as leader
    run = folder.start()
    run.wait_for("ready")

    [row] = json.loads(folder.procrun("ps", "--json").stdout)

    assert row["memory"] > 50_000_000
    run.finish(TERM)


def test_ps_shows_the_last_exit_and_the_restarts(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "7"))
    run = folder.start()
    run.wait_for("ready")
    folder.procrun("restart")

    [row] = json.loads(folder.procrun("ps", "--json").stdout)

    assert (row["restarts"], row["last_exit"]) == (1, "exit 7")
    run.finish(TERM)


def test_a_verb_without_a_run_says_how_to_start_one(folder: Folder) -> None:
    folder.procfile("web: sleep 60")

    result = folder.procrun("restart", "web")

    assert result.returncode == 1
    assert result.stderr == f"procrun: nothing runs in {folder.path}; start it with `procrun start`\n"


@pytest.mark.parametrize("verb", ["restart", "stop"])
def test_an_unknown_name_lists_the_names_there_are(folder: Folder, verb: str) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    run.wait_for("started")

    result = folder.procrun(verb, "wbe")

    assert result.returncode == 2
    assert result.stderr == 'procrun: no process "wbe" here; there are: web, web.1; did you mean "web"?\n'
    run.finish(TERM)


def test_scale_starts_the_missing_and_stops_the_highest(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")

    assert folder.procrun("scale", "web=3").returncode == 0
    ports = [row["port"] for row in json.loads(folder.procrun("ps", "--json").stdout)]
    assert ports == [5000, 5001, 5002]
    assert folder.procrun("scale", "web=1").returncode == 0

    names = [row["name"] for row in json.loads(folder.procrun("ps", "--json").stdout)]
    assert names == ["web.1"]
    assert len(re.findall(r"web\.[23] +\| asked to stop", run.output)) == 2
    run.finish(TERM)


def test_scale_to_0_and_back_does_not_end_the_run(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")

    assert folder.procrun("scale", "web=0").returncode == 0
    assert folder.procrun("scale", "web=1").returncode == 0

    run.wait_for(r"web\.1 +\| ready", count=2)
    run.finish(TERM)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("web", '"web" is not TYPE=NUMBER, as in web=2'),
        ("web=-1", '"web=-1" is not TYPE=NUMBER, as in web=2'),
        ("wbe=2", 'no process type "wbe"; there are: web; did you mean "web"?'),
    ],
)
def test_a_scale_that_makes_no_sense_changes_nothing(folder: Folder, argument: str, message: str) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    run.wait_for("started")

    result = folder.procrun("scale", argument)

    assert result.returncode == 2
    assert message in result.stderr
    run.finish(TERM)


def test_two_runs_share_a_folder_and_verbs_find_the_right_one(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "0", "0"))
    web, worker = folder.start("web"), folder.start("worker")
    web.wait_for("ready")
    worker.wait_for("ready")

    folder.procrun("restart", "worker")

    worker.wait_for("ready", count=2)
    assert len(re.findall("ready", web.output)) == 1
    assert set(re.findall(r"^\w+\.1", folder.procrun("ps").stdout, re.MULTILINE)) == {"web.1", "worker.1"}
    assert folder.procrun("stop").returncode == 0
    assert (web.finish(), worker.finish()) == (0, 0)


def test_a_start_that_overlaps_says_who_runs_it_and_since_when(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: sleep 60")
    first = folder.start("web")
    first.wait_for("started")

    second = folder.start()

    assert second.finish() == 2
    assert re.search(
        rf"web\.1 belongs to the procrun with pid {first.pid}, which runs here since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d; `procrun restart NAME` restarts there, `procrun stop NAME` stops\n$",
        second.output,
    )
    assert "started" not in second.output
    first.finish(TERM)


def test_a_socket_that_nobody_answers_on_is_replaced(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    (folder.path / ".procrun").mkdir(mode=0o700)
    stale = folder.path / ".procrun" / "1.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))

    run = folder.start()
    run.wait_for("started")

    assert not stale.exists()
    run.finish(TERM)


def test_the_socket_is_for_its_owner_alone_and_goes_with_the_run(folder: Folder) -> None:
    folder.procfile("web: sleep 60")
    run = folder.start()
    run.wait_for("started")
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "the socket is there")
    path = socket_of(folder)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (folder.path / ".procrun" / ".gitignore").read_text() == "*\n"
    run.finish(TERM)
    assert not path.exists()


def test_a_start_of_a_stopped_instance_starts_it_in_its_run(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    folder.procrun("stop", "worker.1")

    result = folder.procrun("start", "worker.1")

    assert result.returncode == 0
    run.wait_for(r"worker\.1 +\| ready", count=2)
    run.finish(TERM)


def test_a_client_that_leaves_in_the_middle_does_no_harm(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0.5", "0"))
    run = folder.start()
    run.wait_for("ready")
    restart = folder.background("restart")
    run.wait_for("asked to stop")

    restart.kill()
    restart.communicate()

    run.wait_for("ready", count=2)
    run.finish(TERM)


def test_the_same_scale_asked_twice_at_once_is_no_fault(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0.7", "0"))
    run = folder.start("-c", "web=2")
    run.wait_for("ready", count=2)

    first, second = folder.background("scale", "web=1"), folder.background("scale", "web=1")
    first.communicate()
    second.communicate()

    assert (first.returncode, second.returncode) == (0, 0)
    assert re.findall(r"^web\.\d", folder.procrun("ps").stdout, re.MULTILINE) == ["web.1"]
    run.finish(TERM)


def test_a_scale_during_the_stop_starts_nothing(folder: Folder) -> None:
    folder.procfile(f"web: {SLOW}")
    run = folder.start("-t", "60")
    run.wait_for("ready")
    run.signal(TERM)
    run.wait_for("asked to stop")

    result = folder.procrun("scale", "web=3")

    folder.write("go", "")
    assert (result.returncode, result.stderr) == (1, "procrun: this run is being stopped\n")
    run.finish()
    assert "web.2" not in run.output


def test_a_start_of_what_was_stopped_needs_no_procfile_any_more(folder: Folder) -> None:
    folder.write("Procfile.other", "web: sleep 60\nworker: " + child("polite.py", "0", "0") + "\n")
    run = folder.start("-f", "Procfile.other")
    run.wait_for("ready")
    folder.procrun("stop", "worker")

    result = folder.procrun("start", "worker")

    assert result.returncode == 0
    run.wait_for(r"worker\.1 +\| ready", count=2)
    run.finish(TERM)


def test_a_stop_of_what_is_down_says_so(folder: Folder) -> None:
    folder.procfile("web: sleep 60", "worker: sleep 60")
    run = folder.start()
    run.wait_for("started", count=2)
    folder.procrun("stop", "worker")

    result = folder.procrun("stop", "worker")

    assert (result.returncode, result.stderr) == (0, "procrun: worker.1 is down already\n")
    run.finish(TERM)


def test_a_killed_start_in_another_run_leaves_nothing_behind(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nafter = ["db"]\n')
    folder.procfile("db: sleep 60", "app: sleep 60")
    run = folder.start()
    run.wait_for(r"app\.1 started")
    folder.procrun("stop", "app", "db")
    client = folder.background("start", "app")
    run.wait_for(r"app\.1 waits for db\.1", count=2)
    [worker] = map(int, Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text().split())
    client.kill()

    until(lambda: not alive(worker), "the other half of it is gone")
    run.finish(TERM)


def test_what_waits_for_a_store_starts_when_the_store_is_scaled_away(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nafter = ["db"]\n')
    folder.procfile(f"db: {SLOW}", "app: sleep 60")
    run = folder.start("-t", "60")
    run.wait_for("ready")
    run.wait_for(r"app\.1 started")
    folder.procrun("stop", "app")

    scaling = folder.background("scale", "db=0")
    run.wait_for("asked to stop")
    starting = folder.background("start", "app")
    run.wait_for(r"app\.1 waits for db\.1", count=2)
    folder.write("go", "")

    assert (scaling.wait(PATIENCE), starting.wait(PATIENCE)) == (0, 0)
    run.finish(TERM)


def test_what_was_scaled_away_is_not_restarted_by_a_rolling_restart_that_comes_to_it_later(folder: Folder) -> None:
    folder.procfile(f"slow: {SLOW}", "more: sleep 60")
    run = folder.start("-c", "more=2", "-t", "60")
    run.wait_for("ready")
    run.wait_for(r"more\.2 started")

    rolling = folder.background("restart", "--rolling", "slow", "more")
    run.wait_for("asked to stop")
    assert folder.procrun("scale", "more=1").returncode == 0
    folder.write("go", "")
    assert rolling.wait(PATIENCE) == 0

    names = [row["name"] for row in json.loads(folder.procrun("ps", "--json").stdout)]
    assert names == ["slow.1", "more.1"]
    assert run.output.count("more.2 started") == 1
    run.finish(TERM)


def test_a_bad_word_in_the_middle_of_a_deploy_takes_it_back(folder: Folder) -> None:
    quiet = (
        "import signal; signal.signal(signal.SIGTSTP, print); print('up', flush=True); signal.pause(); signal.pause()"
    )
    folder.write("procrun.toml", 'platform = "server"\n[process.web]\nprofile = "sidekiq"\n')
    folder.procfile(f'web: {PYTHON} -c "{quiet}"')
    run = folder.start()
    run.wait_for(r"\| up")
    until(lambda: list(folder.path.glob(".procrun/*.sock")), "the socket is there")

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(socket_of(folder)))
        connection.sendall(b'{"type":"deploy","names":[]}\n')
        with connection.makefile("rb") as lines:
            assert any(b'"go"' in line for line in lines)
            connection.sendall(b'{"type":"deployed","status":"fine"}\n')
            assert b"not understood" in lines.readline()

    run.wait_for(r"\| up", count=2)
    run.finish(TERM)


def test_a_store_that_dies_while_its_stop_waits_for_its_users_is_not_started_again(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.app]\nafter = ["db"]\n[process.db]\nrestart = "always"\n')
    folder.procfile("db: sleep 60", f"app: {SLOW}", "web: sleep 60")
    run = folder.start("-t", "60", "-p", str(free_base()))
    store = int(run.wait_for(r"db\.1 started, pid (\d+)")[1])
    run.wait_for("ready")

    stopping = folder.background("stop", "db", "app")
    run.wait_for("asked to stop")
    os.kill(store, signal.SIGKILL)
    until(lambda: not alive(store), "the store is dead")
    folder.write("go", "")
    assert stopping.wait(PATIENCE) == 0

    states = {row["name"]: row["state"] for row in json.loads(folder.procrun("ps", "--json").stdout)}
    assert states == {"db.1": "down", "app.1": "down", "web.1": "starting"}
    run.finish(TERM)
