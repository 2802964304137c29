"""Stores first: what uses a store starts when the store answers in its own protocol, and not before."""

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from procrun.core.spec import Readiness
from procrun.eventloop.loop import Loop
from procrun.health.readiness import Asked, Probe, Questions
from procrun.system.process_tree import Family
from tests.apps.stores import Postgres, Redis
from tests.harness import PATIENCE, PYTHON, TERM, Folder, Run, child, free_port, until
from tests.programs import need

LATE = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("asked to stop", flush=True), sys.exit(0)))
print("ready pid=%d" % os.getpid(), flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    signal.pause()
"""
"""A store as far as its name tells; it listens when the test lets it."""


def late_store(folder: Folder) -> str:
    """The command of a program called mongod: its profile is that a connection is enough."""
    folder.write("mongod", f"#!{PYTHON}\n{LATE}").chmod(0o755)
    return f"./mongod {free_port()}"


def position(pattern: str, run: Run) -> int:
    match = re.search(pattern, run.output, re.MULTILINE)
    assert match is not None, run.output
    return match.start()


def states(folder: Folder) -> dict[str, str]:
    return dict(re.findall(r"^(\S+\.\d+) +(\w+)", folder.procrun("ps").stdout, re.MULTILINE))


# Real stores


def test_a_redis_that_loads_its_data_is_not_ready(folder: Folder) -> None:
    redis = Redis(folder.path)
    folder.procfile(f"redis: {redis.command}")
    run = folder.start()
    until(lambda: redis.ask("PING") == "PONG", "redis answers")
    redis.ask("EVAL", "for n = 1, 1200000 do redis.call('SET', n, n) end", "0")
    assert redis.ask("SAVE") == "OK"
    run.finish(TERM)

    folder.procfile(f"worker: {redis.client('DBSIZE')}; sleep 60", f"redis: {redis.command}")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| 1200000$")

    assert "LOADING" not in run.output
    assert "worker.1 waits for redis.1" in run.output
    assert position("Ready to accept connections", run) < position(r"worker\.1 started", run)
    run.finish(TERM)


def test_a_redis_without_a_port_is_asked_on_its_unix_socket(folder: Folder) -> None:
    redis = Redis(folder.path, port="0", unixsocket="redis.sock")
    client = f"{redis.cli} -s redis.sock"
    folder.procfile(f"worker: {client} PING; exec sleep 60", f"redis: {redis.command}")
    run = folder.start()

    run.wait_for(r"worker\.1 +\| PONG")

    assert re.search(r"redis\.1 ready after \d\.\d\d s", run.output)
    run.finish(TERM)


def test_a_unix_socket_below_the_stores_own_folder_is_found(folder: Folder) -> None:
    (folder.path / "data").mkdir()
    redis = Redis(folder.path / "data", port="0", unixsocket="redis.sock")
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"redis: {redis.command}")
    run = folder.start()

    run.wait_for(r"redis\.1 ready after|is not ready")
    run.wait_for(r"worker\.1 +\| ready")

    assert "redis.1 ready after" in run.output
    run.finish(TERM)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    made.close()


def test_postgres_is_ready_when_it_takes_sessions(folder: Folder, postgres: Postgres) -> None:
    folder.procfile(f"worker: {postgres.client('select 6 * 7')}; sleep 60", f"db: {postgres.command}")
    run = folder.start()

    run.wait_for(r"worker\.1 +\| 42")

    assert position("database system is ready to accept connections", run) < position(r"worker\.1 started", run)
    assert not re.search(r"worker\.1 +\| .*starting up", run.output)
    run.finish(TERM)


def test_asking_postgres_leaves_no_refusal_in_its_log(folder: Folder, postgres: Postgres) -> None:
    folder.procfile("worker: sleep 60", f"db: {postgres.command}")
    run = folder.start()
    run.wait_for(r"worker\.1 started")

    run.finish(TERM)

    refusals = re.findall("FATAL: .*", run.output)
    assert [line for line in refusals if not line.endswith("the database system is starting up")] == []


def test_memcached_is_ready_when_it_tells_its_version(folder: Folder) -> None:
    port = free_port()
    user = "-u root" if os.geteuid() == 0 else ""
    ask = (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.send(b'stats\\r\\n'); print(s.recv(9))"
    )
    folder.write("ask.py", ask)
    folder.procfile(
        f"worker: {PYTHON} ask.py; exec sleep 60", f"cache: {need('memcached')} -l 127.0.0.1 -p {port} {user}"
    )
    run = folder.start()

    run.wait_for(r"worker\.1 +\| b'STAT pid ")

    assert "cache.1 ready after" in run.output
    run.finish(TERM)


# Order


def test_what_uses_a_store_waits_until_the_store_listens(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"db: {late_store(folder)}")
    run = folder.start()
    run.wait_for(r"worker\.1 waits for db\.1")
    run.wait_for(r"db\.1 +\| ready")

    assert states(folder) == {"worker.1": "waiting", "db.1": "starting"}
    folder.write("go", "")

    run.wait_for(r"worker\.1 +\| ready")
    assert position(r"db\.1 +\| listening", run) < position(r"worker\.1 started", run)
    run.finish(TERM)


def test_what_waits_can_be_stopped(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"db: {late_store(folder)}")
    run = folder.start()
    run.wait_for(r"db\.1 +\| ready")

    run.finish(TERM)

    assert "worker.1: never ran" in run.output


def test_a_store_that_dies_before_it_is_ready_ends_the_run(folder: Folder) -> None:
    folder.write("mongod", "#!/bin/sh\nexit 7\n").chmod(0o755)
    folder.procfile("worker: sleep 60", "db: ./mongod")
    run = folder.start()

    assert run.finish() == 7
    assert "worker.1: never ran" in run.output


def test_no_order_waits_for_nobody(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"db: {late_store(folder)}")
    run = folder.start("--no-order")

    run.wait_for(r"worker\.1 +\| ready")

    assert not (folder.path / "go").exists()
    run.finish(TERM)


def test_after_orders_programs_that_nobody_knows(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.worker]\nafter = ["api"]\n')
    folder.procfile("worker: " + child("polite.py", "0.3", "0"), "api: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    run.finish(TERM)

    assert position(r"worker\.1 waits for api\.1", run) < position(r"api\.1 started", run)
    assert position(r"worker\.1 started", run) > position(r"api\.1 +\| ready", run)
    assert position(r"worker\.1 +\| bye", run) < position(r"api\.1 +\| asked to stop", run)


def test_restart_of_everything_stops_stores_last_and_starts_them_first(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile("worker: " + child("polite.py", "0.3", "0"), f"db: {late_store(folder)}")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    result = folder.procrun("restart")

    assert result.returncode == 0
    steps = re.findall(r"s  (\w+)\.1 +(TERM|gone|started|ready)", result.stdout)
    assert steps == [
        ("worker", "TERM"),
        ("worker", "gone"),
        ("db", "TERM"),
        ("db", "gone"),
        ("db", "started"),
        ("db", "ready"),
        ("worker", "started"),
    ]
    run.finish(TERM)


def test_restart_of_a_store_leaves_what_uses_it_alone(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"db: {late_store(folder)}")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")

    result = folder.procrun("restart", "db")

    assert result.returncode == 0
    assert "worker" not in result.stdout
    assert re.search(r"s  db\.1 +ready after", result.stdout)
    assert run.output.count("worker.1 started") == 1
    run.finish(TERM)


def test_a_further_instance_waits_for_the_store_too(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile("worker: " + child("polite.py", "0", "0"), f"db: {late_store(folder)}")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| ready")
    (folder.path / "go").unlink()
    restart = folder.background("restart", "db")
    run.wait_for(r"db\.1 +\| ready", count=2)

    scale = folder.background("scale", "worker=2")

    run.wait_for(r"worker\.2 waits for db\.1")
    folder.write("go", "")
    run.wait_for(r"worker\.2 +\| ready")
    assert [client.wait(30) for client in (restart, scale)] == [0, 0]
    for client in (restart, scale):
        client.communicate()
    assert run.output.rindex("listening") < run.output.index("worker.2 started")
    run.finish(TERM)


# The question itself


def probe(loop: Loop, wish: Readiness, told: Callable[[str, str], None]) -> Probe:
    """One that asks this very process."""
    asked = Asked("web.1", 1, "/", {}, lambda: [os.getpid()], [], Family("run"))
    return Probe(loop, wish, asked, Questions(loop), told)


def probed(kind: str, limit: float = PATIENCE, value: str = "") -> tuple[str, str]:
    """What this very process is told to have answered, and why not."""
    loop, outcomes = Loop(), list[tuple[str, str]]()

    def ended(by: str, reason: str) -> None:
        outcomes.append((by, reason))
        loop.stop()

    probe(loop, Readiness(kind, value, limit), ended)
    loop.run()
    return outcomes[0]


def outcome(protocol: str, answers: list[bytes], limit: float = PATIENCE) -> tuple[str, int]:
    """Why a store that gives these answers, the last again and again, is not ready; and how many it gave."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = list[bytes]()
        thread = threading.Thread(target=lambda: serve(server, answers, given))
        thread.start()
        _, reason = probed(protocol, limit)
        server.shutdown(socket.SHUT_RDWR)  # accept() ends
        thread.join()
    return reason, len(given)


def serve(server: socket.socket, answers: list[bytes], given: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while True:
            # A probe that has waited long enough hangs up, and asks anew.
            with server.accept()[0] as connection, contextlib.suppress(ConnectionError):
                if connection.recv(4096):
                    given.append(answers[min(len(given), len(answers) - 1)])
                    connection.send(given[-1])


def test_a_store_that_never_answers_is_given_up(folder: Folder) -> None:
    loading = [b"-LOADING Redis is loading the dataset in memory\r\n"]
    assert outcome("redis", loading, limit=3)[0] == "it is still LOADING its data"


@pytest.mark.parametrize("last", [b"+PONG\r\n", b"-NOAUTH Authentication required.\r\n", b"-MISCONF x\r\n"])
def test_redis_is_asked_until_it_has_loaded(last: bytes) -> None:
    assert outcome("redis", [b"-LOADING Redis is loading the dataset in memory\r\n"] * 2 + [last]) == ("", 3)


def test_postgres_is_asked_until_it_has_recovered() -> None:
    starting = b"E\0\0\0\x40SFATAL\0C57P03\0Mthe database system is starting up\0\0"
    refused = b"E\0\0\0\x40SFATAL\0C28000\0Mno such role\0\0"
    assert outcome("postgres", [starting, starting, refused]) == ("", 3)
    assert outcome("postgres", [b"R\0\0\0\x08\0\0\0\0"]) == ("", 1)


def test_nobody_listening_is_not_ready() -> None:
    assert probed("port", limit=0.3) == ("", "it listens on no port")


def test_time_in_which_it_is_suspended_does_not_count() -> None:
    loop, told = Loop(), list[str]()

    def ended(by: str, reason: str) -> None:
        told.append(reason)
        loop.stop()

    asking = probe(loop, Readiness("notify", within=0.3), ended)
    asking.freeze(True)

    def thaw() -> None:
        told.append("it goes on")
        asking.freeze(False)

    loop.after(0.6, thaw)
    loop.run()

    assert told == ["it goes on", "it has not sent READY=1"]


def test_what_it_tells_by_itself_ends_the_asking() -> None:
    loop, told = Loop(), list[tuple[str, str]]()
    wishes = [Readiness("notify"), Readiness("port", within=0.3)]
    first, second = [probe(loop, wish, lambda by, reason: told.append((by, reason))) for wish in wishes]
    first.notified()
    second.notified()
    assert told == [("READY=1", "")]
    second.cancel()
