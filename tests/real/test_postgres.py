"""Stores last: Postgres and Redis end well behind their clients, and have their data without a recovery."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.apps.stores import Postgres, Redis
from tests.harness import TERM, Folder, Run, alive, until
from tests.rows import Record


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    made.close()


def client(folder: Folder, save: str) -> str:
    """The command of a client that on TERM takes its time, and needs the store for its last words."""
    lines = (f"save() {{ sleep 0.3; {save} && echo saved; exit 0; }}", "trap save TERM", "echo ready")
    folder.write("client", "\n".join([*lines, "while :; do sleep 0.1; done"]))
    return "sh client"


def stopped_in_order(run: Run, store_signal: str) -> float:
    """Check that the client went first, and give the seconds that the store took."""
    worker = re.search(r"worker\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)", run.output)
    store = re.search(rf"store\.1 {store_signal} 0\.00 → gone (\d+\.\d\d) s \(exit 0\)", run.output)
    assert worker is not None and store is not None, run.output
    assert re.search(r"worker\.1 +\| saved", run.output)
    assert worker.start() < store.start()
    return float(store[1])


@pytest.fixture
def idle(postgres: Postgres) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Sessions from outside, ended behind the test."""
    sessions = list[subprocess.Popen[bytes]]()
    yield sessions
    for session in sessions:
        session.communicate()


@pytest.mark.parametrize("platform", ["local", "heroku", "server"])
def test_postgres_stops_behind_its_clients_and_starts_without_recovery(
    folder: Folder, postgres: Postgres, idle: "list[subprocess.Popen[bytes]]", platform: str, row: Record
) -> None:
    folder.procfile(
        f"worker: {client(folder, postgres.client('insert into notes values (2)'))}", f"store: {postgres.command}"
    )
    run = folder.start("--platform", platform)
    run.wait_for(r"worker\.1 +\| ready")
    postgres.ask("create table notes (number int)")
    postgres.ask("insert into notes values (1)")
    idle.append(postgres.session())  # TERM would wait for it, for ever

    assert run.finish(TERM) == -TERM

    took = stopped_in_order(run, "INT")
    assert took < 5
    again = folder.start("--platform", platform)
    again.wait_for(r"worker\.1 +\| ready")
    assert "database system was shut down at" in again.output
    assert not re.search("not properly shut down|recovery", again.output)
    assert postgres.ask("select string_agg(number::text, ',' order by number) from notes") == "1,2"
    again.finish(TERM)
    load = "a table, an idle session, a client that writes at its end"
    row("postgres", postgres.version, platform, load, "TERM", f"stopped last, in {took:.2f} s; no recovery, all rows")


def test_postgres_that_was_killed_recovers_and_is_waited_for(folder: Folder, postgres: Postgres) -> None:
    """The proof that the test above can fail."""
    folder.procfile(f"worker: {postgres.client('select count(*) from notes')}; sleep 60", f"store: {postgres.command}")
    run = folder.start()
    pid = int(run.wait_for(r"store\.1 started, pid (\d+)")[1])
    run.wait_for(r"worker\.1 started")
    postgres.ask("create table notes as select generate_series(1, 300000)")

    os.kill(pid, signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    again = folder.start()
    again.wait_for(r"worker\.1 +\| 300000")
    assert "not properly shut down" in again.output
    again.finish(TERM)


@pytest.mark.parametrize("options", [{"appendonly": "yes"}, {"save": "3600 1"}], ids=["appendonly", "save"])
@pytest.mark.parametrize("platform", ["local", "server"])
def test_redis_stops_behind_its_clients_and_has_its_data(
    folder: Folder, platform: str, options: dict[str, str], row: Record
) -> None:
    redis = Redis(folder.path, **options)
    folder.procfile(f"worker: {client(folder, redis.client('SET', 'late', '2'))}", f"store: {redis.command}")
    run = folder.start("--platform", platform)
    run.wait_for(r"worker\.1 +\| ready")
    assert redis.ask("SET", "early", "1") == "OK"

    assert run.finish(TERM) == -TERM

    took = stopped_in_order(run, "TERM")
    again = folder.start("--platform", platform)
    again.wait_for(r"worker\.1 +\| ready")
    assert redis.ask("MGET", "early", "late").split() == ["1", "2"]
    again.finish(TERM)
    load = f"--{' '.join(*options.items())}, a client that writes at its end"
    version = re.search(r"Redis version=([\d.]+\d)", run.output)
    row(
        "redis", version[1] if version else "", platform, load, "TERM", f"stopped last, in {took:.2f} s; all keys there"
    )


def test_restart_of_everything_costs_postgres_nothing(folder: Folder, postgres: Postgres) -> None:
    folder.procfile(f"worker: {client(folder, postgres.client('select 1'))}", f"store: {postgres.command}")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")
    postgres.ask("create table notes as select 7 as number")

    assert folder.procrun("restart").returncode == 0

    run.wait_for(r"worker\.1 +\| ready", count=2)
    assert postgres.ask("select number from notes") == "7"
    assert run.output.count("database system was shut down at") == 2
    assert "not properly shut down" not in run.output
    run.finish(TERM)


def test_a_store_that_has_to_be_killed_is_said_loudly(folder: Folder) -> None:
    folder.write("procrun.toml", "store_budget = 1\n")
    folder.write("redis-server", "#!/bin/sh\ntrap '' TERM\necho deaf $$\nwhile :; do sleep 0.1; done\n").chmod(0o755)
    folder.procfile("store: ./redis-server")
    run = folder.start()
    pid = int(run.wait_for(r"deaf (\d+)")[1])

    run.finish(TERM)

    assert re.search(r"store\.1 KILL after [1-5]\.\d\d s", run.output)
    assert "this store had no time to end well; look after its data" in run.output
    assert re.search(r"store\.1 TERM 0\.00 → KILL [1-5]\.\d\d → gone", run.output)
    until(lambda: not alive(pid), "it is gone")
