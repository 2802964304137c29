"""A process that is asked and does not answer is restarted inside its budget; one that answers late, or was not asked
in time, is not."""

import os
import signal
from collections.abc import Callable

import pexpect
import pytest

from tests.harness import PATIENCE, PYTHON, TERM, Folder, Run, child, free_base, until
from tests.health.test_watchdog import pause, states
from tests.system.test_limits import children, frozen_by_cgroup, frozen_by_signal
from tests.system.test_terminal import START, seen, shell, state

__all__ = ["shell"]

SERVER = """
import http.server, os, signal, sys, threading, time

class Server(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Server.asked += 1
        print(f"asked {Server.asked}", flush=True)
        status = answer(Server.asked)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass

lock = threading.Lock()

def answer(number):
    if mode == "deadlock" and number > 3:
        lock.acquire(), lock.acquire()
    if mode == "broken" and number > 3 or mode == "shaky" and number % 2:
        return 500
    return 200

mode = sys.argv[1]

def stop(*_):
    print("asked to stop", flush=True)
    lock.acquire()
    while len(sys.argv) > 2 and not os.path.exists(sys.argv[2]):
        time.sleep(0.02)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
print(f"pid={os.getpid()}", flush=True)
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Server)
print("listening", flush=True)
server.serve_forever()
"""
"""Serves one request at a time, and says when it is asked. Told to stop it waits for a file, where one is named."""

HTTP = 'alive = { http = "/health", every = 0.2, within = 1, failures = 2 }'
PATIENT = 'alive = { http = "/health", every = 0.1, within = 20, failures = 2 }'
"""An answer that is late, as on a busy machine, is none that is missed."""


def serving(folder: Folder, mode: str, *lines: str, arguments: tuple[str, ...] = ()) -> Run:
    """A run of the server, with this below [process.web]."""
    folder.write("server.py", SERVER)
    folder.procfile(f"web: {PYTHON} server.py {mode}")
    folder.write("procrun.toml", "\n".join(["[process.web]", *(lines or (HTTP,))]) + "\n")
    run = folder.start("-p", str(free_base()), *arguments)
    run.wait_for(r"web\.1 +\| listening")
    return run


def test_a_server_that_stands_still_is_restarted(folder: Folder) -> None:
    run = serving(folder, "good")
    port = run.wait_for(r"port (\d+)")[1]
    run.wait_for(r"web\.1 +\| asked 3")

    os.kill(int(run.wait_for(r"pid=(\d+)")[1]), signal.SIGSTOP)

    run.wait_for(
        rf"web\.1 hangs: GET http://127\.0\.0\.1:{port}/health gave no answer in 1 s, 2 times; "
        r"restarting: TERM now, KILL after 10 s$"
    )
    run.wait_for(r"web\.1 +\| asked to stop")
    run.wait_for(r"web\.1 +\| asked 2$", count=2)
    run.finish(TERM)
    assert run.output.count("hangs") == 1


def test_a_server_in_a_deadlock_is_killed_and_restarted(folder: Folder) -> None:
    """Whoever handles TERM waits for the same lock."""
    run = serving(folder, "deadlock", arguments=("-t", "1"))

    run.wait_for(r"web\.1 hangs: GET \S+ gave no answer in 1 s, 2 times")

    run.wait_for(r"web\.1 TERM 0\.00 → KILL [1-9]\.\d\d → gone")
    run.wait_for(r"web\.1 +\| listening", count=2)
    run.finish(TERM)


def test_a_server_that_answers_with_errors_is_restarted(folder: Folder) -> None:
    run = serving(folder, "broken", PATIENT)

    run.wait_for(r"web\.1 hangs: GET \S+/health said 500, 2 times; restarting")

    assert run.output.index("asked 5") < run.output.index("hangs")
    run.wait_for(r"web\.1 +\| listening", count=2)
    run.finish(TERM)


def test_misses_that_are_not_in_a_row_are_forgiven(folder: Folder) -> None:
    run = serving(folder, "shaky", PATIENT)

    run.wait_for(r"web\.1 +\| asked 9$")

    run.finish(TERM)
    assert "hangs" not in run.output


CLOSES = """
import os, socket, time
listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while not os.path.exists("go"):
    time.sleep(0.01)
listening.close()
time.sleep(1000)
"""


def test_a_port_that_nobody_listens_on_any_more_is_a_hang(folder: Folder) -> None:
    folder.write("server.py", CLOSES)
    folder.procfile(f"web: {PYTHON} server.py")
    folder.write("procrun.toml", "[process.web]\nalive = { port = true, every = 0.1, failures = 2 }\n")
    run = folder.start("-p", str(free_base()))
    run.wait_for(r"web\.1 ready")

    folder.write("go", "")

    run.wait_for(r"web\.1 hangs: nothing listens on port \d+, 2 times; restarting")
    run.finish(TERM)


def test_a_command_that_fails_is_a_hang(folder: Folder) -> None:
    folder.procfile("worker: touch fine; echo up; exec sleep 1000")
    folder.write("procrun.toml", '[process.worker]\nalive = { command = "test -e fine", every = 0.1, failures = 3 }\n')
    run = folder.start()
    run.wait_for(r"worker\.1 +\| up")

    (folder.path / "fine").unlink()

    run.wait_for(r"worker\.1 hangs: the command `test -e fine` ended with exit 1, 3 times; restarting")
    run.wait_for(r"worker\.1 started", count=2)
    run.finish(TERM)


def test_a_command_that_does_not_end_is_a_miss_and_ends(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000")
    folder.write(
        "procrun.toml",
        '[process.worker]\nalive = { command = "sleep 999 & sleep 998", every = 0.1, within = 0.3, failures = 1 }\n',
    )
    run = folder.start()

    run.wait_for(r"worker\.1 hangs: the command `sleep 999 & sleep 998` was not done in 0\.3 s; restarting")

    run.finish(TERM)


def test_a_command_gets_no_socket_of_the_instance(folder: Folder) -> None:
    """What it says there would be a sign of life of the instance."""
    folder.procfile("worker: echo mine=$NOTIFY_SOCKET; exec sleep 1000")
    command = "test -z $NOTIFY_SOCKET && touch asked"
    lines = ("[process.worker]", "watchdog = 60", f'alive = {{ command = "{command}", every = 0.1 }}')
    folder.write("procrun.toml", "\n".join(lines))
    run = folder.start()
    run.wait_for(r"mine=/")

    until((folder.path / "asked").exists, "it is asked")
    run.finish(TERM)


def test_before_it_is_ready_nothing_is_asked(folder: Folder) -> None:
    early = "print('asked early:', len(select.select([server], [], [], 1)[0]), flush=True)"
    code = SERVER.replace("server.serve", f"import select; {early}; print('ready now', flush=True)\nserver.serve")
    folder.write("server.py", code)
    folder.procfile(f"web: {PYTHON} server.py good")
    folder.write("procrun.toml", f'[process.web]\nready = {{ log = "ready now" }}\n{PATIENT}\n')
    run = folder.start("-p", str(free_base()))

    run.wait_for(r"web\.1 +\| asked 3")

    run.finish(TERM)
    assert "asked early: 0" in run.output
    assert "hangs" not in run.output


def test_what_does_not_get_ready_in_its_time_is_asked_then(folder: Folder) -> None:
    folder.procfile("worker: exec sleep 1000")
    alive = 'alive = { command = "false", every = 0.1, failures = 2 }'
    folder.write("procrun.toml", f'[process.worker]\nready = {{ log = "never", within = 0.5 }}\n{alive}\n')
    run = folder.start()

    hangs = run.wait_for(r"worker\.1 hangs: the command `false` ended with exit 1, 2 times")

    assert run.output.index("no line of its output matches") < hangs.start()
    run.finish(TERM)


def test_what_is_stopping_by_itself_is_not_asked(folder: Folder) -> None:
    folder.procfile("worker: " + child("notifier.py", "STOPPING=1"), "other: exec sleep 1000")
    alive = 'alive = { command = "test ! -e dead", every = 0.1, failures = 2 }'
    folder.write("procrun.toml", f"[process.worker]\nwatchdog = 60\n{alive}\n[process.other]\n{alive}\n")
    run = folder.start()
    run.wait_for(r"worker\.1 +\| sent")

    folder.write("dead", "")

    run.wait_for(r"other\.1 hangs", count=3)

    run.finish(TERM)
    assert "worker.1 hangs" not in run.output


def test_during_a_stop_nothing_is_asked(folder: Folder) -> None:
    run = serving(folder, "good go", 'alive = { http = "/", every = 0.1, within = 1, failures = 2 }')
    run.wait_for(r"web\.1 +\| asked 3")
    restart = folder.background("restart", "web")
    run.wait_for("asked to stop")

    pause(3)  # in which two questions would have found no answer
    folder.write("go", "")

    restart.communicate(timeout=PATIENCE)
    assert restart.returncode == 0
    assert "hangs" not in run.output
    run.finish(TERM)


def test_a_stop_by_hand_in_the_midst_of_it_is_not_undone(folder: Folder) -> None:
    run = serving(folder, "broken go", PATIENT, arguments=("-t", "60"))
    run.wait_for(r"web\.1 hangs")
    run.wait_for("asked to stop")

    stop = folder.background("stop", "web")
    until(lambda: states(folder) == {"web.1": "stopping"}, "it is not to start again")
    folder.write("go", "")
    stop.communicate(timeout=PATIENCE)

    assert states(folder) == {"web.1": "down"}
    run.finish(TERM)
    assert run.output.count("web.1 started") == 1


# Standing still


@pytest.mark.parametrize("freeze", [frozen_by_signal, frozen_by_cgroup], ids=["signal", "freezer"])
def test_a_machine_that_was_suspended_hangs_not(
    folder: Folder, freeze: Callable[[list[int]], Callable[[], None]]
) -> None:
    run = serving(folder, "good", 'alive = { http = "/", every = 0.1, within = 2, failures = 1 }')
    run.wait_for(r"web\.1 +\| asked 3")
    web = int(run.wait_for(r"pid=(\d+)")[1])

    for _ in range(3):  # in the pause between two questions, and in the midst of one
        before = run.output.count("| asked")
        thaw = freeze([run.pid, run.supervisor(), web, *children(web)])
        pause(3)
        thaw()
        run.wait_for(r"web\.1 +\| asked \d+$", count=before + 3)

    run.finish(TERM)
    assert "hangs" not in run.output


def test_a_run_that_was_suspended_hangs_not(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.write("server.py", SERVER)
    folder.procfile(f"web: {PYTHON} server.py good")
    folder.write("procrun.toml", '[process.web]\nalive = { http = "/", every = 0.1, within = 2, failures = 1 }\n')
    shell.sendline(f"{START} -p {free_base()}")
    pid = seen(shell, r"pid=(\d+)")
    shell.expect("asked 2")

    shell.send("\x1a")
    until(lambda: state(pid) == "T", "the server stands still")
    pause(3)
    shell.sendline("fg")
    shell.expect("asked [0-9]+")
    shell.expect("asked [0-9]+")

    shell.sendintr()
    shell.expect(r"web\.1: exit 0, ran .* restarts 0")


# What it may say


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("alive = true", "alive: takes a table, as in { http = "),
        ("alive = {}", "alive: says nothing to ask for; give one: port, http, command"),
        ('alive = { port = 1, http = "/" }', "alive: takes one of them, and has port and http: port, http, command"),
        ('alive = { log = "x" }', "alive.log: unknown key; there are: port, http, command, every, within, failures"),
        ('alive = { htp = "/" }', 'alive.htp: unknown key; did you mean "http"?'),
        ("alive = { port = 70000 }", "alive.port: takes a port from 1 to 65535, or true for its $PORT; this is 70000"),
        ("alive = { port = 1, every = 0 }", "alive.every: takes seconds, a number from 0.1 up to 1000000; this is 0"),
        (
            "alive = { port = 1, within = -1 }",
            "alive.within: takes seconds, a number above 0 up to 1000000; this is -1",
        ),
        ("alive = { port = 1, failures = 0 }", "alive.failures: takes a number of misses, from 1 to 1000; this is 0"),
        ("watchdog = 0.5", "watchdog: takes seconds, a number from 1 to 1000000, as in 30; this is 0.5"),
        ('watchdog = "30"', 'watchdog: takes seconds, a number from 1 to 1000000, as in 30; this is "30"'),
        ("watchdog = true", "watchdog: takes seconds"),
        ("watchdog = nan", "watchdog: takes seconds"),
    ],
)
def test_bad_values_are_told_with_their_place(folder: Folder, line: str, text: str) -> None:
    folder.procfile("web: true")
    folder.write("procrun.toml", f"[process.web]\n{line}\n")

    result = folder.procrun("start")

    assert result.returncode == 2
    assert f"procrun.toml: process.web.{text}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
