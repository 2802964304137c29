"""Every instance is restarted once in a while, as a dyno is every day: one after the other, and never a store."""

import json
import os
import re
import signal

import pytest

from procrun.run.heroku.dyno_manager import SPREAD, _once_in
from tests.harness import PATIENCE, PYTHON, TERM, Folder, Run, free_base, until
from tests.health.test_watchdog import states

SLOW = "trap 'sleep 0.3; exit' TERM; echo up; while :; do sleep 0.05; done"


def events(run: Run, name: str, what: str) -> list[float]:
    """The seconds of these events."""
    found = [json.loads(line) for line in run.output.splitlines() if f'"event":"{what}"' in line]
    return [event["seconds"] for event in found if event["instance"] == name]


def test_a_dyno_is_cycled_in_herokus_words(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000")
    folder.write("procrun.toml", 'platform = "heroku"\n')
    run = folder.start("--cycle", "1s")
    run.wait_for("State changed from starting to up", count=2)
    run.finish(TERM)

    assert re.findall(r"heroku\[worker\.1\]: (.*)", run.output)[2:7] == [
        "Cycling",
        "State changed from up to starting",
        "Stopping all processes with SIGTERM",
        "Process exited with status 143",
        "Starting process with command `exec sleep 1000`",
    ]
    assert "worker.1 TERM 0.00 → gone" in run.output


def test_the_configured_period_is_herokus_alone(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000", "clock: sleep 2; echo two seconds; exec sleep 1000")
    folder.write("procrun.toml", '[heroku]\ncycle = "1s"\n')
    run = folder.start()
    run.wait_for(r"clock\.1 +\| two seconds")
    run.finish(TERM)
    assert run.output.count("worker.1 started") == 1

    run = folder.start("--platform", "heroku")
    run.wait_for(r"heroku\[worker\.1\]: Cycling")
    run.finish(TERM)


def test_the_command_line_beats_the_file(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000")
    folder.write("procrun.toml", 'platform = "heroku"\n[heroku]\ncycle = "24h"\n')
    run = folder.start("--cycle", "1s")
    run.wait_for("Cycling")
    run.finish(TERM)


def test_two_are_never_restarted_at_the_same_time(folder: Folder) -> None:
    folder.procfile(f"worker: {SLOW}")
    run = folder.start("-c", "worker=4", "--cycle", "1s")
    run.wait_for("is restarted, as it has run for its period", count=8)
    run.finish(TERM)

    steps = re.findall(r"(worker\.\d) (is restarted|started)", run.output)[4:]
    last = max(index for index, (_, what) in enumerate(steps) if what == "started")
    assert [what for _, what in steps[: last + 1]] == ["is restarted", "started"] * ((last + 1) // 2)
    assert all(steps[index][0] == steps[index + 1][0] for index in range(0, last, 2))


def test_one_that_does_not_come_up_holds_up_no_other(folder: Folder) -> None:
    folder.procfile("bad: test -e was && exit 3; touch was; exec sleep 1000", "good: exec sleep 1000")
    folder.write("procrun.toml", "[process.bad]\nessential = false\n")
    run = folder.start("--cycle", "1s")
    run.wait_for(r"good\.1 is restarted", count=2)
    run.finish(TERM)

    assert "bad.1 ended by itself" in run.output


def test_one_that_is_stopped_while_it_is_cycled_holds_up_no_other(folder: Folder) -> None:
    slow = "trap 'until test -e go; do sleep 0.05; done; exit' TERM; while :; do sleep 0.05; done"
    folder.procfile(f"slow: {slow}", "quick: exec sleep 1000")
    run = folder.start("--cycle", "1s", "-t", "60")
    run.wait_for(r"slow\.1 is restarted")
    stop = folder.background("stop", "slow")
    until(lambda: states(folder)["slow.1"] == "stopping", "it is not to start again")
    folder.write("go", "")
    assert stop.wait(PATIENCE) == 0
    run.wait_for(r"quick\.1 is restarted", count=2)
    run.finish(TERM)

    assert run.output.count("slow.1 started") == 1


def test_a_restart_by_hand_begins_the_period_anew(folder: Folder) -> None:
    folder.procfile("worker: sleep 1; echo a second; exec sleep 1000")
    run = folder.start("--cycle", "3s", "--json")
    run.wait_for("a second")
    assert folder.procrun("restart", "worker").returncode == 0
    run.wait_for('"event":"cycling"')
    run.finish(TERM)

    assert events(run, "worker.1", "cycling")[0] >= 3


def test_a_store_is_never_cycled(folder: Folder) -> None:
    folder.procfile("db: exec sleep 1000", "web: exec sleep 1000")
    folder.write("procrun.toml", '[process.db]\nprofile = "redis"\n[process.web]\nafter = []\n')
    run = folder.start("--cycle", "1s")
    run.wait_for(r"web\.1 is restarted", count=2)
    run.finish(TERM)

    assert run.output.count("db.1 started") == 1


def test_what_is_suspended_is_left_so_and_has_another_period(folder: Folder) -> None:
    folder.procfile("frozen: echo pid=$$; kill -STOP $$; exec sleep 1000", "worker: exec sleep 1000")
    run = folder.start("--cycle", "1s")
    pid = int(run.wait_for(r"pid=(\d+)")[1])
    run.wait_for(r"worker\.1 is restarted", count=3)
    assert "frozen.1 is restarted" not in run.output

    os.kill(pid, signal.SIGCONT)

    run.wait_for(r"frozen\.1 is restarted")
    run.finish(TERM)


def test_a_run_that_is_ending_cycles_nothing(folder: Folder) -> None:
    folder.procfile("worker: trap 'sleep 2; exit' TERM; echo ready; while :; do sleep 0.05; done")
    run = folder.start("--cycle", "1s")
    run.wait_for("ready")

    assert run.finish(TERM) == -TERM
    assert run.output.count("is restarted") <= 1
    assert not re.search(r"received(?:.*\n)*.*is restarted", run.output)


def test_it_comes_a_part_of_the_period_later_at_most_and_never_earlier() -> None:
    times = [_once_in(100.0) for _ in range(1000)]

    assert 100 <= min(times) < 101
    assert 100 * (1 + SPREAD) - 1 < max(times) <= 100 * (1 + SPREAD)


def test_a_web_is_up_again_when_it_has_bound(folder: Folder) -> None:
    folder.procfile(f"web: sleep 0.6; exec {PYTHON} -m http.server $PORT")
    folder.write("procrun.toml", 'platform = "heroku"\n')
    run = folder.start("-c", "web=2", "-p", str(free_base()), "--cycle", "2s")
    run.wait_for("Cycling", count=2)
    run.finish(TERM)

    told = re.findall(r"heroku\[(web\.\d)\]: (Cycling|State changed from starting to up)", run.output)
    first, second = [index for index, (_, what) in enumerate(told) if what == "Cycling"][:2]
    assert (told[first][0], "State changed from starting to up") in told[first:second]


@pytest.mark.parametrize("period", ["2", "0s", "daily", "-1h", "1w", "12d", "", "1.5h"])
def test_what_is_no_period_is_told(folder: Folder, period: str) -> None:
    folder.procfile("web: true")
    result = folder.procrun("start", f"--cycle={period}")

    assert result.returncode == 2
    assert "is no period; give a number and its unit, up to 11d, as in 24h, 15m or 90s" in result.stderr


def test_a_server_restarts_nothing_by_the_clock(folder: Folder) -> None:
    folder.procfile("web: true")
    result = folder.procrun("start", "--platform", "server", "--cycle", "24h")

    assert result.returncode == 2
    assert "--cycle: is for the platforms local and heroku" in result.stderr
