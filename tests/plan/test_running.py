"""What really runs counts: the known program is found in the process tree where the command does not show it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procrun.plan.programs import running, wrappers
from procrun.system.linux import procfs
from procrun.system.types import Stat
from tests.apps.bed import APP, Bed
from tests.harness import TERM, Folder, child, until

SIDEKIQ = f"sidekiq -r {APP}/app.rb -c 2"
BOOTED = r"worker\.1 +\| .*demo: lifecycle startup"


@pytest.fixture
def bed(folder: Folder) -> Iterator[Bed]:
    made = Bed(folder.path)
    yield made
    for run in folder.runs:
        run.finish(TERM)
    made.close()


def script(folder: Folder, name: str, *lines: str) -> str:
    """A script of the app whose program is hidden from whoever reads the file: the shell computes it."""
    path = folder.write(name, "\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return f"./{name}"


# --- whose process it is


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        ("celery -A app worker", "celery"),
        ("/usr/bin/python3 /venv/bin/celery -A app worker", "/venv/bin/celery"),
        ("python3 -u -m celery -A app worker", "celery"),
        ("/usr/bin/ruby3.1 /usr/bin/sidekiq -t 6", "/usr/bin/sidekiq"),
        ("ruby /usr/bin/bundle exec sidekiq", "sidekiq"),
        ("python manage.py rqworker default", "rqworker"),
        ("timeout 60 celery worker", None),
        ("dumb-init -- celery worker", None),
        ("uv run celery worker", None),
        ("/bin/sh -c celery worker | tee log", None),
        ("bash ./run.sh celery worker", None),
        ("node /app/worker.js", "node"),
        ("node /app/node_modules/.bin/concurrently celery", "/app/node_modules/.bin/concurrently"),
    ],
)
def test_a_process_runs_what_its_own_words_name(arguments: str, program: str | None) -> None:
    words = wrappers.own_program(arguments.split())
    assert words[:1] == ([program] if program is not None else [])


class Tree:
    """A process table: pid to parent, and what each process calls itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *processes: tuple[int, int, str]) -> None:
        self.rows = [Stat(pid, "S", parent, pid, pid, 0, 1, 0) for pid, parent, _ in processes]
        words = {pid: text.split("|") if "|" in text else text.split() for pid, _, text in processes}
        monkeypatch.setattr(procfs, "arguments", lambda pid: words[pid])
        monkeypatch.setattr(procfs, "environment", lambda pid: {})
        monkeypatch.setattr(procfs, "folder", lambda pid: "/app")

    def found(self) -> list[tuple[int, str]]:
        return [(found.pid, found.known.profile.name) for found in running.look(self.rows, "/app")]


def test_it_is_found_below_any_wrapper_and_its_children_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(
        monkeypatch,
        (10, 1, "sh ./run.sh"),
        (11, 10, "dumb-init celery -A app worker"),
        (12, 11, "python /venv/bin/celery -A app worker"),
        (13, 12, "python /venv/bin/celery -A app worker"),
        (14, 10, "tee log"),
    )
    assert tree.found() == [(12, "celery")]


def test_several_programs_side_by_side_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree(
        monkeypatch,
        (10, 1, "bash ./all.sh"),
        (11, 10, "redis-server *:6379"),
        (12, 10, "ruby /usr/bin/sidekiq -t 6"),
        (13, 10, "gunicorn app:app"),
    )
    assert tree.found() == [(11, "redis"), (12, "sidekiq"), (13, "gunicorn")]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("sidekiq 6.4.1 shop [0 of 5 busy]||||", "sidekiq"),
        ("resque-2.6.0: Waiting for *||", "resque"),
        ("puma 5.6.5 (tcp://0.0.0.0:5000) [shop]||", "puma"),
        ("unicorn master -c unicorn.rb|", "unicorn"),
        ("gunicorn: master [app:app]|", "gunicorn"),
        ("[celeryd: celery@host:MainProcess] -active- (worker -c 2)|", "celery"),
    ],
)
def test_a_title_is_known_and_its_options_are_not(monkeypatch: pytest.MonkeyPatch, title: str, name: str) -> None:
    tree = Tree(monkeypatch, (10, 1, title))
    [found] = running.look(tree.rows, "/app")
    assert (found.known.profile.name, found.complete) == (name, False)


# --- what it means for a real run


def rows(folder: Folder) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(folder.procrun("ps", "--json").stdout or "[]")}


def test_behind_a_script_the_loss_is_said_once_for_all_its_instances(folder: Folder, bed: Bed) -> None:
    folder.procfile("worker: " + script(folder, "run.sh", f"program=$(echo '{SIDEKIQ}')", "$program"))
    run = folder.start("-c", "worker=2", env=bed.env)
    run.wait_for(r"Procfile:1: worker: sidekiq waits 25 s .*use -t 6")
    run.wait_for(r"worker\.\d +\| .*demo: lifecycle startup", count=2)
    assert folder.procrun("restart", "worker.2").returncode == 0
    run.finish(TERM)
    assert run.output.count("sidekiq waits 25 s") == 1


def test_what_fits_into_its_budget_is_not_spoken_of(folder: Folder, bed: Bed) -> None:
    folder.procfile("worker: " + script(folder, "run.sh", f"program=$(echo '{SIDEKIQ} -t 6')", "$program"))
    run = folder.start(env=bed.env)
    run.wait_for(BOOTED)
    run.finish(TERM)
    assert "sidekiq waits" not in run.output


def test_a_store_behind_a_script_stops_after_what_uses_it(folder: Folder) -> None:
    bed = Bed(folder.path, opened=False)
    line = script(folder, "redis.sh", f"program=$(echo '{bed.command}')", "$program")
    folder.procfile(f"worker: {child('polite.py', '0.5', '0')}", f"redis: {line}")
    run = folder.start()
    bed.wait()
    run.wait_for(r"procrun +\| worker\.1 started")
    until(lambda: rows(folder)["redis.1"]["store"], "the store is recognised")
    run.finish(TERM)
    assert run.output.index("worker.1 TERM 0.00") < run.output.index("redis.1 TERM 0.00")
    assert "killed by KILL" not in run.output


def test_a_process_without_a_profile_by_choice_is_left_alone(folder: Folder, bed: Bed) -> None:
    folder.write("procrun.toml", '[process.worker]\nprofile = "none"\n')
    folder.procfile("worker: " + script(folder, "run.sh", f"program=$(echo '{SIDEKIQ}')", "$program"))
    run = folder.start(env=bed.env)
    run.wait_for(BOOTED)
    run.finish(TERM)
    assert "sidekiq waits" not in run.output


def test_reading_a_process_that_is_gone_finds_nothing(tmp_path: Path) -> None:
    gone = Stat(2**22 + 1, "S", 1, 1, 1, 0, 1, 0)
    assert running.look([gone], str(tmp_path)) == []


def test_quiet_busy_and_drain_aim_at_the_program_behind_a_pipe(folder: Folder, bed: Bed) -> None:
    folder.write("procrun.toml", 'platform = "server"\n')
    line = script(folder, "run.sh", f"program='{SIDEKIQ} -t 6'", "$program 2>&1 | cat")
    folder.procfile(f"worker: {line}")
    run = folder.start(env=bed.env)
    run.wait_for(BOOTED)
    bed.enqueue(2, 2)
    bed.wait_for_starts(2)

    def quieted() -> bool:
        return folder.procrun("quiet", "worker").returncode == 0

    until(quieted, "the program is seen and takes its quiet signal")
    run.wait_for("Received TSTP, no longer accepting new work")

    until(lambda: rows(folder)["worker.1"]["busy"] is not None, "ps tells how many jobs are under way")
    assert folder.procrun("stop").returncode == 0
    report = bed.report()
    assert (report["completed"], report["lost"]) == (2, 0)
