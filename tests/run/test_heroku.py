"""A dyno on one's own machine: its crashes, its boot timeout, its states, in the words of Heroku's log."""

import json
import os
import re
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from time import sleep

import pytest

from procrun.core.spec import Manners
from procrun.plan.layout import build
from procrun.plan.options import Wishes
from procrun.run.heroku.dyno_limits import LAST
from tests.harness import PYTHON, TERM, Folder, Run, child, free_base, until

CRASHES_ONCE = "test -e was && exec sleep 1000; touch was; exit 1"


def dyno(folder: Folder, *heroku: str, more: str = "") -> None:
    """Write a procrun.toml with these lines under [heroku]."""
    folder.write("procrun.toml", "\n".join(['platform = "heroku"', "[heroku]", *heroku, more]) + "\n")


def told(run: Run, name: str) -> list[str]:
    """What Heroku's log would have of one dyno."""
    return re.findall(rf"heroku\[{re.escape(name)}\]: (.*)", run.output)


def manners(folder: Folder, platform: str, *lines: str, names: tuple[str, ...] = ()) -> Mapping[str, Manners]:
    """How each type of a Procfile is treated."""
    folder.procfile(*lines)
    made = build(Wishes(platform=platform, names=names), {"PATH": os.environ["PATH"]})
    return {spec.type: spec.manners for spec in made.specs}


# --- crashes


def test_a_crash_is_told_in_herokus_words_and_followed_by_a_start(folder: Folder) -> None:
    folder.procfile(f"worker: {CRASHES_ONCE}")
    dyno(folder)
    run = folder.start()
    run.wait_for(r"State changed from starting to up", count=2)

    assert run.finish(TERM) == -TERM
    assert told(run, "worker.1") == [
        f"Starting process with command `{CRASHES_ONCE}`",
        "State changed from starting to up",
        "Process exited with status 1",
        "State changed from up to crashed",
        "State changed from crashed to starting",
        f"Starting process with command `{CRASHES_ONCE}`",
        "State changed from starting to up",
        "State changed from up to down",
        "Stopping all processes with SIGTERM",
        "Process exited with status 143",
    ]


@pytest.mark.parametrize(("end", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("/no/such", 127)])
def test_any_end_is_a_crash_and_ends_no_run(folder: Folder, end: str, status: int) -> None:
    folder.procfile(f"worker: {end}")
    dyno(folder)
    run = folder.start()
    run.wait_for(rf"heroku\[worker\.1\]: Process exited with status {status}$", count=3)

    assert run.finish(TERM) == -TERM


def test_the_first_crash_is_followed_by_a_start_at_once_and_then_pauses_grow(folder: Folder) -> None:
    folder.procfile("worker: exit 1")
    dyno(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 starts again in 0\.80 s")
    run.finish(TERM)

    steps = re.findall(r"worker\.1 (started|starts again in [0-9.]+ s)", run.output)
    assert steps[:6] == [
        "started",
        "started",
        *("starts again in 0.20 s", "started"),
        "starts again in 0.40 s",
        "started",
    ]


@pytest.mark.parametrize(
    "key",
    [
        'restart = "never"',
        'restart = "on-failure"\nrestart_limit = "1/60"',
        "essential = true",
        'restart_limit = "1/60"',
    ],
)
def test_what_is_configured_for_a_type_wins(folder: Folder, key: str) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 3")
    dyno(folder, more=f"[process.worker]\n{key}")
    run = folder.start()

    assert run.finish() == 3
    assert "State changed from up to crashed" in told(run, "worker.1")


def test_what_is_not_essential_is_a_dyno_all_the_same(folder: Folder) -> None:
    folder.procfile("worker: exit 3")
    dyno(folder, more="[process.worker]\nessential = false")
    run = folder.start()
    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)


def test_a_crash_ends_the_run_where_that_is_switched_off(folder: Folder) -> None:
    folder.procfile("worker: exit 3")
    dyno(folder, "crash_restart = false")
    run = folder.start()

    assert run.finish() == 3
    assert told(run, "worker.1")[-1] == "State changed from up to crashed"


@pytest.mark.parametrize("ending", ["exit 0", "sleep 1000 & exit 0"])
def test_what_runs_once_is_complete_and_has_not_crashed(folder: Folder, ending: str) -> None:
    folder.procfile(f"migrate: {ending}", "worker: exec sleep 1000")
    dyno(folder, more="[process.migrate]\nrun_once = true")
    run = folder.start()
    run.wait_for("migrate.1 done")
    run.finish(TERM)

    states = [line for line in told(run, "migrate.1") if line.startswith("State")]
    assert states == ["State changed from starting to up", "State changed from up to complete"]


def test_a_store_a_release_and_other_platforms_have_no_dynos(folder: Folder) -> None:
    lines = ("redis: redis-server", "web: puma", "worker: sidekiq", "release: rake db:migrate")
    every = ("redis", "web", "worker", "release")
    on_heroku = manners(folder, "heroku", *lines, names=every)

    assert {name: each.dyno for name, each in on_heroku.items()} == {
        "redis": False,
        "web": True,
        "worker": True,
        "release": False,
    }
    assert {name: each.policy.restart for name, each in on_heroku.items() if not each.dyno} == {
        "redis": "never",
        "release": "never",
    }
    assert {name: each.boot_timeout for name, each in on_heroku.items() if each.boot_timeout} == {"web": 60}
    for platform in ("local", "server"):
        others = manners(folder, platform, *lines, names=every).values()
        assert {(each.dyno, each.boot_timeout, each.policy.restart) for each in others} == {(False, 0, "never")}


def test_a_release_that_is_started_by_name_ends(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "release: echo migrated")
    dyno(folder)
    run = folder.start("release")

    assert run.finish() == 0
    assert told(run, "release.1") == []


def test_a_restart_by_hand_leads_from_up_to_starting(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000")
    dyno(folder)
    run = folder.start()
    run.wait_for("State changed from starting to up")

    assert folder.procrun("restart", "worker").returncode == 0

    assert told(run, "worker.1")[2:] == [
        "State changed from up to starting",
        "Stopping all processes with SIGTERM",
        "Process exited with status 143",
        "Starting process with command `exec sleep 1000`",
        "State changed from starting to up",
    ]
    run.finish(TERM)


def test_a_start_after_a_stop_by_hand_leads_from_down_to_starting(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exec sleep 1000")
    dyno(folder)
    run = folder.start()
    run.wait_for(r"heroku\[worker\.1\]: State changed from starting to up")

    folder.procrun("stop", "worker")
    folder.procrun("start", "worker")

    assert [line for line in told(run, "worker.1") if line.startswith("State")][1:] == [
        "State changed from up to down",
        "State changed from down to starting",
        "State changed from starting to up",
    ]
    run.finish(TERM)


def test_what_ignores_term_is_told_with_r12(folder: Folder) -> None:
    folder.procfile(f"worker: {child('stubborn.py', 'notes')}")
    dyno(folder)
    run = folder.start("-t", "0.5")
    run.wait_for("ready")
    run.finish(TERM)

    assert told(run, "worker.1")[-4:] == [
        "Stopping all processes with SIGTERM",
        "Error R12 (Exit timeout) -> At least one process failed to exit within 0.5 seconds of SIGTERM",
        "Stopping remaining processes with SIGKILL",
        "Process exited with status 137",
    ]
    assert run.output.count("R12") == 1


def test_what_a_crashed_one_left_behind_is_stopped_and_changes_no_state(folder: Folder) -> None:
    folder.procfile("worker: sleep 1000 & test -e was && wait; touch was; exit 3")
    dyno(folder)
    run = folder.start()
    run.wait_for("State changed from starting to up", count=2)

    assert told(run, "worker.1")[2:6] == [
        "Process exited with status 3",
        "State changed from up to crashed",
        "Stopping all processes with SIGTERM",
        "State changed from crashed to starting",
    ]
    run.finish(TERM)


def test_without_herokus_words_it_is_a_dyno_all_the_same(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000", "worker: exit 0", f"deaf: {child('stubborn.py', 'notes')}")
    dyno(folder, "log = false", "boot_timeout = 1")
    run = folder.start("-t", "0.5")
    run.wait_for(r"worker\.1 started", count=2)
    run.wait_for(r"web\.1 does not listen on its port \d+; KILL after 1 s \(R10\)")
    run.wait_for("ready")
    run.finish(TERM)

    assert "heroku[" not in run.output
    assert re.search(r"deaf\.1 KILL after \d+\.\d+ s; Error R12 \(Exit timeout\)", run.output)


# --- the boot timeout


def test_a_web_that_never_binds_gets_kill_at_once_and_is_started_again(folder: Folder) -> None:
    folder.procfile("web: trap 'touch heard; exit' TERM; while :; do sleep 0.1; done")
    dyno(folder, "boot_timeout = 1")
    run = folder.start()
    run.wait_for(r"heroku\[web\.1\]: Starting process", count=2)
    assert not (folder.path / "heard").exists()
    run.finish(TERM)

    lines = [line for line in told(run, "web.1") if line != "Stopping remaining processes with SIGKILL"]  # a late fork
    assert lines[1:7] == [
        "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1 seconds of launch",
        "Stopping process with SIGKILL",
        "Process exited with status 137",
        "State changed from starting to crashed",
        "State changed from crashed to starting",
        "Starting process with command `trap 'touch heard; exit' TERM; while :; do sleep 0.1; done`",
    ]


def test_a_web_that_binds_another_port_is_told_which(folder: Folder) -> None:
    base = free_base()
    folder.procfile(f"web: {PYTHON} -m http.server {base + 1}")
    dyno(folder, "boot_timeout = 3")
    run = folder.start("-p", str(base))
    run.wait_for(rf"web\.1 does not listen on its port {base}; it listens on {base + 1}; KILL after 3 s \(R10\)")
    run.finish(TERM)

    assert "State changed from starting to up" not in told(run, "web.1")


def test_somebody_else_on_its_port_is_not_it(folder: Folder) -> None:
    base = free_base()
    folder.procfile("web: exec sleep 1000")
    dyno(folder, "boot_timeout = 1")
    with socket.create_server(("127.0.0.1", base)):
        run = folder.start("-p", str(base))
        run.wait_for("Error R10")
        run.finish(TERM)

    assert "State changed from starting to up" not in told(run, "web.1")


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::1", "::"])
def test_a_web_that_binds_late_but_in_time_is_up_then(folder: Folder, address: str) -> None:
    base = free_base()
    code = f"import sys, time; sys.argv[1:] = ['--bind', '{address}', '{base}']; time.sleep(1); print('binds')"
    folder.write("web.py", f"{code}\nimport runpy; runpy.run_module('http.server', run_name='__main__')\n")
    folder.procfile(f"web: {PYTHON} web.py")
    dyno(folder)
    run = folder.start("-p", str(base))
    run.wait_for("State changed from starting to up")
    run.finish(TERM)

    assert re.search(r"binds\n(?:.*\n)*.*State changed from starting to up", run.output)
    assert "R10" not in run.output


def test_a_child_may_bind_for_it(folder: Folder) -> None:
    base = free_base()
    folder.procfile(f"web: setsid {PYTHON} -m http.server $PORT & exec sleep 1000")
    dyno(folder)
    run = folder.start("-p", str(base))
    run.wait_for("State changed from starting to up")
    run.finish(TERM)


@pytest.mark.parametrize("switch", ["boot_timeout = false", "boot_timeout = 100"])
def test_a_web_may_never_bind_where_there_is_no_limit_or_not_yet(folder: Folder, switch: str) -> None:
    folder.procfile("web: exec sleep 1000", "worker: sleep 1; touch gone; exec sleep 1000")
    dyno(folder, switch)
    run = folder.start()
    until(lambda: (folder.path / "gone").exists(), "a second has gone")
    run.finish(TERM)

    assert ("State changed from starting to up" in told(run, "web.1")) == (switch == "boot_timeout = false")
    assert "R10" not in run.output


def test_time_in_which_it_is_suspended_does_not_count(folder: Folder) -> None:
    folder.procfile("web: kill -STOP $$; exec sleep 1000", "worker: sleep 3; echo later; exec sleep 1000")
    dyno(folder, "boot_timeout = 2")
    run = folder.start()
    pid = int(run.wait_for(r"web\.1 started, pid (\d+)")[1])
    run.wait_for(r"worker\.1 +\| later")
    assert "R10" not in run.output

    os.kill(pid, signal.SIGCONT)

    run.wait_for("Error R10")
    run.finish(TERM)


def test_nobody_looks_for_the_port_once_it_is_bound(folder: Folder) -> None:
    base = free_base()
    folder.procfile(f"web: exec {PYTHON} -m http.server $PORT")
    dyno(folder)
    run = folder.start("-p", str(base))
    run.wait_for("State changed from starting to up")
    status = Path(f"/proc/{run.supervisor()}/status")

    def sleeps_on() -> bool:
        """Whether nothing wakes it for longer than two looks are apart."""
        before = re.findall(r"ctxt_switches:\s+(\d+)", status.read_text())
        sleep(2.5 * LAST)
        return before == re.findall(r"ctxt_switches:\s+(\d+)", status.read_text())

    until(sleeps_on, "the supervisor sleeps")
    run.finish(TERM)


def test_the_boot_timeout_is_an_event(folder: Folder) -> None:
    folder.procfile("web: exec sleep 1000")
    dyno(folder, "boot_timeout = 1")
    run = folder.start("--json")
    run.wait_for('"event":"restarted"')
    run.finish(TERM)

    events = [json.loads(line) for line in run.output.splitlines() if '"event"' in line]
    names = [event["event"] for event in events]
    assert names[:5] == ["started", "running", "boot-timeout", "exited", "gone"]
    assert events[2]["seconds"] == 1
    assert re.fullmatch(r"does not listen on its port \d+", events[2]["detail"])


# --- bad input


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("crash_restart = 1", "heroku.crash_restart: takes true or false, without quotes; this is 1"),
        (
            "boot_timeout = 0",
            "heroku.boot_timeout: takes seconds, a number above 0 and up to 1000000, as in 10 or 0.5, or",
        ),
        ("boot_timeout = true", "heroku.boot_timeout: takes seconds"),
        ('boot_timeout = "60"', "heroku.boot_timeout: takes seconds"),
        ("memory = 512", 'heroku.memory: takes memory, as in "512M" or "1G", or false; this is 512'),
        ("cycle = true", 'heroku.cycle: takes text, as in "24h", or false; this is true'),
        ('cycle = "daily"', 'heroku.cycle: "daily" is no period; give a number and its unit, up to 11d, as in 24h'),
        ("boot_timout = 5", 'heroku.boot_timout: unknown key; did you mean "boot_timeout"?'),
        ("formation = 5", "heroku.formation: unknown key; it stands at the top of the file"),
    ],
)
def test_faults_of_the_table_are_told_with_their_place(folder: Folder, line: str, text: str) -> None:
    folder.procfile("web: true")
    dyno(folder, line)
    result = folder.procrun("check")

    assert result.returncode == 2
    assert f"procrun.toml: {text}" in result.stderr


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("heroku = true", "procrun.toml: heroku: takes a table, as in [heroku]; this is true"),
        ("boot_timeout = 5", "boot_timeout: unknown key; it belongs to the simulated dyno: put it under [heroku]"),
        ("[process.web]\napp_json = false", "app_json: unknown key; it belongs to the simulated dyno: put it under"),
    ],
)
def test_keys_in_the_wrong_place_are_told_the_right_one(folder: Folder, toml: str, text: str) -> None:
    folder.procfile("web: true")
    folder.write("procrun.toml", toml + "\n")
    result = folder.procrun("check")

    assert result.returncode == 2
    assert text in result.stderr


def test_export_and_check_take_the_table(folder: Folder) -> None:
    folder.procfile("web: sleep 1000")
    dyno(folder, 'memory = "512M"', 'cycle = "24h"', more='[process.web]\nmemory = "1G"')

    assert folder.procrun("check", "--strict").returncode == 0
    assert folder.procrun("export", "systemd", "units").returncode == 0
