"""Ready when a port, HTTP, a line, a command or a title says so: real servers and workers, slow and stubborn ones."""

import contextlib
import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest

from procrun.system.linux import sockets
from tests.apps.bed import APP, Bed
from tests.apps.stores import Redis
from tests.harness import PYTHON, TERM, Folder, Run, alive, child, free_base, free_port, until
from tests.programs import need, need_module
from tests.real.test_servers import APP as SERVERS

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", self.path, flush=True)
        self.send_response(200 if os.path.exists("go") else 503)
        self.end_headers()
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = __import__("socket").AF_INET6 if ":" in sys.argv[1] else __import__("socket").AF_INET
Server((sys.argv[1], int(os.environ["PORT"])), Handler).serve_forever()
"""
"""Answers 503 until the file `go` is there."""

WORKER = "worker: " + child("polite.py", "0", "0")


def configure(folder: Folder, ready: str, *more: str) -> None:
    """What web is asked; the worker comes after it."""
    lines = ["[process.web]", f"ready = {ready}" if ready else "", *more, "[process.worker]", 'after = ["web"]']
    folder.write("procrun.toml", "\n".join(lines) + "\n")


def server(folder: Folder, host: str = "127.0.0.1") -> str:
    folder.write("server.py", SERVER)
    return f"web: {PYTHON} server.py {host}"


def states(folder: Folder) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(folder.procrun("ps", "--json").stdout)}


def start(folder: Folder, *arguments: str) -> Run:
    return folder.start("-p", str(free_base()), *arguments)


def position(pattern: str, run: Run) -> int:
    return run.wait_for(pattern).start()


# HTTP


def test_http_that_says_503_at_first_is_ready_at_its_200(folder: Folder) -> None:
    folder.procfile(server(folder), WORKER)
    configure(folder, '{ http = "/health?deep=1" }')
    run = start(folder)
    run.wait_for(r"web\.1 +\| asked /health\?deep=1", count=2)
    assert states(folder) == {"web.1": "starting", "worker.1": "waiting"}

    folder.write("go", "")

    run.wait_for(r"worker\.1 +\| ready")
    assert position(r"web\.1 ready after", run) < position(r"worker\.1 started", run)
    assert states(folder) == {"web.1": "ready", "worker.1": "up"}
    run.finish(TERM)


def test_http_may_be_asked_elsewhere(folder: Folder) -> None:
    port = free_port()
    folder.write("go", "")
    server(folder)
    folder.procfile(f"web: PORT={port} {PYTHON} server.py ::1", WORKER)
    configure(folder, f'{{ http = "http://localhost:{port}/x" }}')
    run = start(folder)

    run.wait_for(r"worker\.1 +\| ready")

    assert "asked /x" in run.output
    run.finish(TERM)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who listens already, however long a server takes to start; nobody answers by itself."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def at(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/health"


def test_http_that_is_never_ready_is_told_once_with_its_answer_and_runs_on(
    folder: Folder, listener: socket.socket
) -> None:
    def refuse() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 503 Not yet\r\n\r\n")

    folder.procfile("web: exec sleep 60", WORKER)
    configure(folder, f'{{ http = "{at(listener)}", within = 1 }}')
    thread = threading.Thread(target=refuse)
    thread.start()
    try:
        run = start(folder)
        run.wait_for(r"worker\.1 +\| ready")
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # accept() ends
        thread.join()

    told = re.findall(rf"web\.1 is not ready after (\S+) s: GET {at(listener)} said 503$", run.output, re.M)
    assert len(told) == 1 and 1 <= float(told[0]) < 5
    assert states(folder) == {"web.1": "unready", "worker.1": "up"}
    assert folder.procrun("wait", "web").returncode == 1
    assert run.finish(TERM) == -TERM


def test_a_server_that_hangs_holds_up_nothing(folder: Folder, listener: socket.socket) -> None:
    folder.procfile("web: exec sleep 60", WORKER)
    configure(folder, f'{{ http = "{at(listener)}", within = 1 }}')
    run = start(folder)

    run.wait_for(rf"web\.1 is not ready after [\d.]+ s: GET {at(listener)} has not answered yet")
    run.wait_for(r"worker\.1 +\| ready")

    assert folder.procrun("ps").returncode == 0
    run.finish(TERM)


# Ports


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_the_type_web_is_ready_when_its_port_answers(folder: Folder, host: str) -> None:
    folder.procfile(f"{server(folder, host)} $PORT", WORKER)
    configure(folder, "")
    run = start(folder)

    run.wait_for(r"web\.1 ready after")
    run.wait_for(r"worker\.1 +\| ready")

    run.wait_for("everything is ready after")
    run.finish(TERM)


def test_an_address_of_its_own_is_found(folder: Folder) -> None:
    folder.procfile(f"{server(folder, '127.0.0.7')} $PORT")
    run = start(folder)
    run.wait_for(r"web\.1 ready after")
    run.finish(TERM)


def test_web_that_names_no_port_is_ready_with_whatever_it_listens_on(folder: Folder) -> None:
    folder.procfile("web: " + child("listener.py", "listen"), "api: " + child("listener.py", "listen"))
    run = start(folder)
    run.wait_for("listening on", count=2)

    run.wait_for(r"web\.1 ready after")

    assert "api.1 ready" not in run.output
    run.finish(TERM)


def test_the_port_of_somebody_else_is_not_its_own(folder: Folder) -> None:
    """Whether that was there before or comes later."""
    folder.procfile(
        "early: " + child("listener.py", "listen"),
        "web: exec sleep 60",
        "late: until [ -e go ]; do sleep 0.02; done; exec " + child("listener.py", "listen"),
    )
    folder.write("procrun.toml", '[process.web]\nafter = ["early"]\n')
    run = start(folder)
    run.wait_for(r"web\.1 started")
    folder.write("go", "")
    run.wait_for(r"late\.1 +\| listening on")

    assert folder.procrun("wait", "web", "-t", "1").returncode == 124

    assert states(folder)["web.1"] == "starting"
    run.finish(TERM)


def test_a_port_that_nobody_listens_on_is_named(folder: Folder) -> None:
    port = free_port()
    folder.procfile("web: sleep 60", WORKER)
    configure(folder, f"{{ port = {port}, within = 2 }}")
    run = start(folder)
    run.wait_for(rf"web\.1 is not ready after [\d.]+ s: nothing listens on port {port}$")
    run.wait_for(r"worker\.1 +\| ready")
    run.finish(TERM)


def test_false_asks_for_nothing(folder: Folder) -> None:
    folder.procfile("web: exec sleep 60", WORKER)
    configure(folder, "false")
    run = start(folder)
    run.wait_for(r"worker\.1 +\| ready")
    assert states(folder)["web.1"] == "up"
    assert "web.1 ready" not in run.output and "everything is ready" not in run.output
    run.finish(TERM)


@pytest.mark.parametrize("name", ["gunicorn", "puma"])
def test_real_servers_are_ready_by_their_port_whatever_the_type(folder: Folder, name: str) -> None:
    if name == "gunicorn":
        need_module("gunicorn")
        command = f"{PYTHON} -m gunicorn --chdir {SERVERS} -b 127.0.0.1:$PORT slow:wsgi"
    else:
        command = f"{need('puma')} -b tcp://127.0.0.1:$PORT -t 1:4 {SERVERS}/config.ru"
    folder.procfile(f"api: {command}")
    run = start(folder)
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    assert folder.procrun("wait", "api", "-t", "30").returncode == 0

    port = json.loads(folder.procrun("ps", "--json").stdout)[0]["port"]
    assert port in sockets.listening()
    assert re.search(r"api\.1 ready after", run.output)
    run.finish(TERM)


# Lines


def test_a_line_of_its_output_is_ready_without_its_colours(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nready = { log = "^booted in \\\\d+ ms$" }\n')
    line = r"printf 'not \033[32mbooted in 9 ms\033[0m\n\033[1mbooted \033[32min 12 ms\033[0m\r\n'"
    folder.procfile(
        f"job: until [ -e go ]; do sleep 0.02; done; {line}; exec sleep 60", "other: echo booted in 1 ms; exec sleep 60"
    )
    run = start(folder)
    run.wait_for(r"other\.1 +\| booted")
    assert states(folder) == {"job.1": "starting", "other.1": "up"}

    folder.write("go", "")

    run.wait_for(r"job\.1 ready after")
    run.finish(TERM)


def test_the_line_stands_before_what_is_told_of_it(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nready = { log = "^booted$" }\n')
    folder.procfile("job: echo booted; exec sleep 60")
    run = start(folder)

    run.wait_for("ready after")

    assert run.output.index("| booted\n") < run.output.index("job.1 ready after")
    run.finish(TERM)


def test_a_line_of_its_last_life_does_not_count(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nready = { log = "booted", within = 0.5 }\n')
    folder.procfile("job: [ -e once ] || echo booted; touch once; exec sleep 60")
    run = start(folder)
    run.wait_for(r"job\.1 ready after")

    result = folder.procrun("restart", "job")

    assert result.returncode == 1
    assert re.search(r'job\.1 is not ready after [\d.]+ s: no line of its output matches "booted"', run.output)
    assert "procrun: runs, but was not ready in time: job.1" in result.stderr
    run.finish(TERM)


@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_line_on_stderr_counts_too(folder: Folder, json_: tuple[str, ...]) -> None:
    folder.write("procrun.toml", '[process.job]\nready = { log = "booted" }\n')
    folder.procfile("job: printf boo; printf 'oops\\n' >&2; printf 'ted\\n'; echo booted >&2; exec sleep 60")
    run = start(folder, *json_)
    run.wait_for(r"job\.1 ready after")
    run.finish(TERM)


def test_a_pattern_that_never_ends_is_given_up(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.job]\nready = { log = "(a*)*$b", within = 3 }\n')
    folder.procfile(f"job: {PYTHON} -c \"print('a' * 40, flush=True); input()\"", "other: exec sleep 60")
    run = start(folder)
    run.wait_for(r"job\.1 is not ready after [\d.]+ s: its pattern took longer than 0\.5 s to search a line")
    run.finish(TERM)


# Commands


def test_a_command_in_the_apps_folder_with_its_environment(folder: Folder) -> None:
    folder.procfile("job: until [ -e go ]; do sleep 0.02; done; touch up; exec sleep 60")
    ask = "echo seen; test $PS = job.1 && test -n $PORT && test -e up"
    folder.write("procrun.toml", f'[process.job]\nready = {{ command = "{ask}" }}\n')
    run = start(folder)
    run.wait_for(r"job\.1 started")
    until(lambda: states(folder) == {"job.1": "starting"}, "it is asked")

    folder.write("go", "")

    run.wait_for(r"job\.1 ready after")
    assert "seen" not in run.output
    run.finish(TERM)


def test_a_command_that_hangs_goes_with_its_instance(folder: Folder) -> None:
    """And with it what it has started, also in a session of its own; neither is taken for one of the instance."""
    hang = "setsid sleep 500 & echo $! > inner; echo $$ > outer; trap '' TERM; sleep 500; wait"
    folder.write("ask.sh", hang)
    folder.write("procrun.toml", '[process.job]\nready = { command = "sh ask.sh" }\n')
    folder.procfile("job: exec sleep 60", "other: exec sleep 60")
    run = start(folder)
    until(lambda: (folder.path / "outer").exists() and (folder.path / "outer").read_text().strip(), "it hangs")
    pids = [int((folder.path / name).read_text()) for name in ("inner", "outer")]
    assert all(map(alive, pids))

    assert folder.procrun("stop", "job").returncode == 0

    until(lambda: not any(map(alive, pids)), "all of it is gone")
    assert "left behind" not in run.output and "job.1 KILL" not in run.output
    assert run.finish(TERM) == -TERM


def test_nothing_of_a_command_survives_a_killed_supervisor(folder: Folder) -> None:
    folder.write("ask.sh", "setsid sleep 500 & echo $! > inner; echo $$ > outer; trap '' TERM; sleep 500; wait")
    folder.write("procrun.toml", '[process.job]\nready = { command = "sh ask.sh" }\n')
    folder.procfile("job: exec sleep 60")
    run = start(folder, "-t", "1")
    until(lambda: (folder.path / "outer").exists() and (folder.path / "outer").read_text().strip(), "it hangs")
    pids = [int((folder.path / name).read_text()) for name in ("inner", "outer")]

    os.kill(run.supervisor(), signal.SIGKILL)

    run.finish()
    assert not any(map(alive, pids))


# Known workers


def test_the_real_sidekiq_is_ready_when_its_title_or_its_boot_line_says_so(folder: Folder) -> None:
    bed = Bed(folder.path)
    try:
        folder.procfile(f"worker: sidekiq -r {APP}/app.rb -c 2 -t 2")
        run = folder.start(env=bed.env)
        run.wait_for(r"worker\.1 started")
        until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

        assert folder.procrun("wait", "worker", "-t", "30").returncode == 0

        assert re.search(r"worker\.1 ready after", run.output)
        run.finish(TERM)
    finally:
        bed.close()


def test_a_default_holds_up_no_restart(folder: Folder) -> None:
    """As before there was readiness: it returns when the process has lived for a quarter of a second."""
    folder.procfile("web: exec sleep 60")
    run = start(folder)
    run.wait_for(r"web\.1 started")
    until(lambda: folder.procrun("ps").returncode == 0, "its socket is there")

    result = folder.procrun("restart", "web")

    assert result.returncode == 0
    assert re.search(r"\d\.\d\d s  web\.1 +running\n$", result.stdout)
    run.finish(TERM)


# Rolling


def test_a_rolling_restart_waits_for_each_to_be_ready(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile(f"{server(folder)} $PORT")
    run = start(folder, "-c", "web=2")
    run.wait_for(r"web\.\d ready after", count=2)

    result = folder.procrun("restart", "--rolling", "web")

    assert result.returncode == 0
    steps = re.findall(r"s  (web\.\d) +(TERM|ready)", result.stdout)
    assert steps == [("web.1", "TERM"), ("web.1", "ready"), ("web.2", "TERM"), ("web.2", "ready")]
    run.finish(TERM)


def test_a_rolling_restart_goes_no_further_than_one_that_is_not_ready_in_time(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile("web: exec sleep 60")
    folder.write("procrun.toml", '[process.web]\nready = { command = "test -e go", within = 1 }\n')
    run = start(folder, "-c", "web=2")
    run.wait_for(r"web\.\d ready after", count=2)
    (folder.path / "go").unlink()

    result = folder.procrun("restart", "--rolling", "web")

    assert result.returncode == 1
    assert "procrun: not restarted: web.2" in result.stderr
    assert "procrun: runs, but was not ready in time: web.1" in result.stderr
    assert states(folder) == {"web.1": "unready", "web.2": "ready"}
    run.finish(TERM)


def test_a_rolling_restart_of_a_worker_and_its_stopped_store_starts_the_store_first(folder: Folder) -> None:
    redis = Redis(folder.path)
    folder.procfile(WORKER, f"redis: {redis.command}")
    run = start(folder)
    run.wait_for(r"worker\.1 +\| ready")
    assert folder.procrun("stop", "redis").returncode == 0

    result = folder.procrun("restart", "--rolling", "worker", "redis")

    assert result.returncode == 0
    steps = re.findall(r"s  (\w+)\.1 +(TERM|ready)", result.stdout)
    assert steps == [("redis", "ready"), ("worker", "TERM")]
    run.finish(TERM)


def test_a_rolling_restart_leaves_alone_what_would_wait_for_ever(folder: Folder) -> None:
    redis = Redis(folder.path)
    folder.procfile(WORKER, f"redis: {redis.command}")
    run = start(folder)
    pid = int(run.wait_for(r"worker\.1 +\| ready pid=(\d+)")[1])
    assert folder.procrun("stop", "redis").returncode == 0

    result = folder.procrun("restart", "--rolling", "worker")

    assert result.returncode == 1
    assert "worker.1 was left alone, as it starts after redis.1, which does not run" in result.stderr
    assert alive(pid)
    run.finish(TERM)


def test_an_idle_run_wakes_up_for_nothing(folder: Folder) -> None:
    folder.write("go", "")
    folder.procfile(f"{server(folder)} $PORT", "job: exec sleep 60")
    folder.write("procrun.toml", '[process.job]\nready = { command = "true" }\n')
    run = start(folder)
    run.wait_for("everything is ready after")
    status = Path(f"/proc/{run.supervisor()}/status")

    def still() -> bool:
        before = status.read_text()
        sleep(1.2)  # twice as long as the longest pause between two questions
        return re.findall("voluntary_ctxt_switches.*", status.read_text()) == re.findall(
            "voluntary_ctxt_switches.*", before
        )

    until(still, "nothing wakes it up")
    run.finish(TERM)


def test_restart_leaves_alone_what_would_wait_for_ever_and_names_what_is_missing(folder: Folder) -> None:
    folder.write("procrun.toml", '[process.worker]\nafter = ["api"]\n')
    folder.procfile("worker: sleep 60", "api: sleep 60")
    run = folder.start()
    run.wait_for(r"worker\.1 started")
    assert folder.procrun("stop", "api").returncode == 0

    result = folder.procrun("restart", "worker")

    assert result.returncode == 1
    assert result.stderr == "procrun: worker.1 starts after api.1, which does not run; `procrun start api.1` first\n"
    assert "worker.1 TERM" not in run.output
    assert folder.procrun("restart", "worker", "api").returncode == 0
    run.finish(TERM)
