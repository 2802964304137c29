"""What is to run once: what comes after it starts when it has ended with 0, and that end never ends the run."""

import json
import re

from tests.harness import TERM, Folder, Run, child, until

WORKER = "worker: " + child("polite.py", "0", "0")
WAIT = "until [ -e go ]; do sleep 0.02; done"


def configure(folder: Folder, *migrate: str, after: str = "migrate") -> None:
    lines = ["[process.migrate]", "run_once = true", *migrate, "[process.worker]", f'after = ["{after}"]']
    folder.write("procrun.toml", "\n".join(lines) + "\n")


def states(folder: Folder) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(folder.procrun("ps", "--json").stdout)}


def reachable(folder: Folder) -> None:
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")


def order(run: Run, *patterns: str) -> list[int]:
    found = [re.search(pattern, run.output, re.MULTILINE) for pattern in patterns]
    assert all(found), run.output
    return [match.start() for match in found if match is not None]


def test_what_comes_after_it_starts_when_it_is_done(folder: Folder) -> None:
    folder.procfile(WORKER, f"migrate: {WAIT}; echo migrated", "other: exec sleep 60")
    configure(folder)
    run = folder.start()
    run.wait_for(r"other\.1 started")
    reachable(folder)
    assert states(folder) == {"worker.1": "waiting", "migrate.1": "up", "other.1": "up"}

    folder.write("go", "")

    run.wait_for(r"worker\.1 +\| ready")
    steps = order(
        run, "worker.1 waits for migrate.1", r"\| migrated", r"migrate\.1 done after \d.\d\d s$", "worker.1 started"
    )
    assert steps == sorted(steps)
    assert states(folder) == {"worker.1": "up", "migrate.1": "done", "other.1": "up"}
    assert "ended by itself" not in run.output
    assert folder.procrun("wait", "migrate").returncode == 0
    assert run.finish(TERM) == -TERM


def test_one_that_fails_ends_the_run_with_its_status(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: exit 7", "other: exec sleep 60")
    configure(folder)
    run = folder.start()

    assert run.finish() == 7
    assert "migrate.1 ended by itself" in run.output and "migrate.1 ended the run" in run.output
    assert "worker.1: never ran" in run.output


def test_one_that_fails_and_is_not_essential_says_who_waits_in_vain_until_it_is_run_again(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: [ -e go ] || exit 7", "other: exec sleep 60")
    configure(folder, "essential = false")
    run = folder.start()
    said = r"migrate\.1 has ended, so these never start: worker\.1; `procrun restart migrate\.1` runs it again$"
    run.wait_for(said)
    reachable(folder)
    assert states(folder) == {"worker.1": "waiting", "migrate.1": "down", "other.1": "up"}
    folder.write("go", "")

    result = folder.procrun("restart", "migrate")

    assert result.returncode == 0
    assert re.search(r"s  migrate\.1 +done after", result.stdout)
    run.wait_for(r"worker\.1 +\| ready")
    assert len(re.findall(said, run.output, re.MULTILINE)) == 1
    run.finish(TERM)


def test_restart_by_name_waits_until_it_is_done_and_fails_with_it(folder: Folder) -> None:
    folder.procfile("migrate: sleep 0.6; [ ! -e bad ]", "other: exec sleep 60")
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\nessential = false\n")
    run = folder.start()
    run.wait_for("done after")
    reachable(folder)

    again = folder.procrun("restart", "migrate")

    assert again.returncode == 0
    assert re.search(r"0\.[6-9]\d s  migrate\.1 +done|[1-9]\.\d\d s  migrate\.1 +done", again.stdout)

    folder.write("bad", "")
    failed = folder.procrun("restart", "migrate")
    assert failed.returncode == 1
    assert "did not come up: migrate.1" in failed.stderr
    run.finish(TERM)


def test_restarts_of_others_and_of_everything_do_not_run_it_again(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: echo migrated")
    configure(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")
    reachable(folder)

    for count, words in enumerate((["worker"], [], ["--rolling"]), 2):
        assert folder.procrun("restart", *words).returncode == 0
        run.wait_for(r"worker\.1 +\| ready", count=count)

    assert len(re.findall(r"\| migrated", run.output)) == 1
    assert states(folder) == {"worker.1": "up", "migrate.1": "done"}
    run.finish(TERM)


def test_scale_does_not_run_again_what_is_done(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: echo migrated")
    configure(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")
    reachable(folder)

    assert folder.procrun("scale", "migrate=1", "worker=2").returncode == 0

    run.wait_for(r"worker\.2 +\| ready")
    assert states(folder) == {"worker.1": "up", "migrate.1": "done", "worker.2": "up"}
    assert len(re.findall(r"\| migrated", run.output)) == 1
    run.finish(TERM)


def test_start_by_name_runs_it_again(folder: Folder) -> None:
    folder.procfile("migrate: echo migrated", "other: exec sleep 60")
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\n")
    run = folder.start()
    run.wait_for("done after")
    reachable(folder)

    assert folder.procrun("start", "migrate").returncode == 0

    run.wait_for(r"\| migrated", count=2)
    assert states(folder) == {"migrate.1": "done", "other.1": "up"}
    run.finish(TERM)


def test_to_stop_everything_says_nothing_of_what_is_done(folder: Folder) -> None:
    folder.procfile("migrate: true", "other: exec sleep 60")
    folder.write("procrun.toml", "[process.migrate]\nrun_once = true\n")
    run = folder.start()
    run.wait_for("done after")
    reachable(folder)

    result = folder.procrun("stop")

    assert (result.returncode, result.stderr) == (0, "")
    assert run.finish() == 0


def test_on_failure_tries_it_until_it_ends_with_0(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: echo x >> tries; [ $(wc -l < tries) = 3 ]")
    configure(folder, 'restart = "on-failure"')
    run = folder.start()

    run.wait_for(r"worker\.1 +\| ready")

    assert len(re.findall(r"migrate\.1 started", run.output)) == 3
    assert len(re.findall(r"migrate\.1 done", run.output)) == 1
    run.finish(TERM)


def test_one_that_is_given_up_ends_the_run(folder: Folder) -> None:
    folder.procfile(WORKER, "migrate: exit 4")
    configure(folder, 'restart = "on-failure"', 'restart_limit = "2/60"')
    run = folder.start()

    assert run.finish() == 4
    assert "migrate.1 is given up" in run.output


def test_a_run_of_nothing_else_ends_with_0_when_all_are_done(folder: Folder) -> None:
    folder.procfile("seed: echo seeded", "migrate: sleep 0.2; echo migrated")
    folder.write(
        "procrun.toml", '[process.migrate]\nrun_once = true\n[process.seed]\nrun_once = true\nafter = ["migrate"]\n'
    )
    run = folder.start()

    assert run.finish() == 0
    assert order(run, r"\| migrated")[0] < order(run, r"\| seeded")[0]
    assert "everything has ended" in run.output


def test_one_that_is_stopped_by_hand_is_not_done(folder: Folder) -> None:
    """Though its trap lets it end with 0."""
    folder.procfile(WORKER, "migrate: trap 'exit 0' TERM; echo begun; while :; do sleep 0.02; done")
    configure(folder)
    run = folder.start()
    run.wait_for(r"\| begun")
    reachable(folder)

    assert folder.procrun("stop", "migrate").returncode == 0

    assert states(folder) == {"worker.1": "waiting", "migrate.1": "down"}
    run.finish(TERM)


def test_what_it_left_running_is_stopped_before_it_is_done(folder: Folder) -> None:
    left = "(trap 'echo last; exit' TERM; touch up; while :; do sleep 0.02; done) &"
    folder.procfile(WORKER, f"migrate: {left} until [ -e up ]; do :; done")
    configure(folder)
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    steps = order(run, r"migrate\.1 left behind by its leader", r"\| last", r"migrate\.1 done", r"worker\.1 started")
    assert steps == sorted(steps)
    run.finish(TERM)
