"""The control socket under abuse: whatever is sent, or not read, the run answers its owner and keeps its deadlines."""

import fcntl
import json
import os
import re
import resource
import socket
import struct
import subprocess
import tempfile
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from procrun.control import connection as conversation
from procrun.control.connection import Conversation
from procrun.control.protocol import Answer, Progress, Request, Talk
from procrun.eventloop.loop import Loop
from procrun.recovery import run_record
from tests.harness import PYTHON, TERM, Folder, Run, until
from tests.programs import AS_NOBODY, need, need_right

PS, HELLO = b'{"type":"ps"}\n', b'{"type":"hello"}\n'
RESTART = b'{"type":"restart","names":[]}\n'
DEPLOY = b'{"type":"deploy","names":[]}\n'
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
PATIENCE = 20
"""Seconds a client of these tests waits for an answer."""


def started(folder: Folder, *commands: str) -> tuple[Run, Path]:
    """A run of something that needs KILL, and of these; and the path of its socket.

    Nobody asks whether it is ready: that takes a descriptor now and then, and they are counted here.
    """
    folder.procfile(f"web: {STUBBORN}", *commands)
    with (folder.path / "procrun.toml").open("a") as config:
        config.write("[process.web]\nready = false\n")
    run = folder.start("-t", "0.2")
    run.wait_for("ready", count=1 + len(commands))
    return run, socket_of(folder)


def socket_of(folder: Folder) -> Path:
    until(lambda: list((folder.path / ".procrun").glob("*.sock")), "the socket is there")
    [path] = (folder.path / ".procrun").glob("*.sock")
    return path


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))  # waits while others are before it, as it would not with a timeout
    connection.settimeout(PATIENCE)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """Everything up to the end; a connection that is reset fails the test."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def answers(path: Path, *parts: bytes, shut: bool = False) -> list[dict[str, object]]:
    """What comes back when these are sent one after the other, and then, if so, our half is shut down."""
    with connected(path) as connection:
        for part in parts:
            connection.sendall(part)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in rest_of(connection).splitlines()]


def unread(connection: socket.socket) -> int:
    """Bytes, with what the kernel needs besides, that the other end has not read (SIOCOUTQ, unix(7))."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def at_rest(pid: int) -> None:
    """Wait until nothing is to come: what it writes down of a start takes a look, and descriptors, a while later."""
    path, since, before = Path(f"/proc/{pid}/status"), monotonic(), ""

    def rests() -> bool:
        nonlocal since, before
        switches = "".join(re.findall(r"ctxt_switches:\s+\d+", path.read_text()))
        if switches != before:
            since, before = monotonic(), switches
        return monotonic() - since > 2 * run_record.LATER

    until(rests, "nothing wakes it up any more")


def no_descriptor_more(pid: int) -> int:
    """The limit at which it gets none: the lowest number that is free (getrlimit(2))."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(len(used) + 1) if number not in used)


def cpu_ticks(pid: int) -> int:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


def highest_memory(pid: int) -> int:
    """Its resident bytes when they were most."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@contextmanager
def descriptors(pid: int, most: int) -> Iterator[None]:
    """Let a process have at most so many for a while (prlimit(2)); 0 is ourselves."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def assert_well(folder: Folder, run: Run) -> None:
    """It answers, told of no fault, and a stop of what needs KILL keeps its deadline."""
    result = folder.procrun("ps")
    assert (result.stderr, re.findall(r"^(web\.1) +(?:up|starting)", result.stdout, re.MULTILINE)) == ("", ["web.1"])
    run.finish(TERM)
    times = [float(at) for at in re.findall(r"web\.1 TERM [\d.]+ → KILL ([\d.]+) → gone", run.output)]
    assert times
    assert all(0.2 <= at < 4 for at in times)
    assert "Traceback" not in run.output


# --- how many


def test_a_thousand_idle_connections_do_not_lock_the_owner_out(folder: Folder) -> None:
    run, path = started(folder)
    supervisor = int(path.stem)
    at_rest(supervisor)
    few = open_descriptors(supervisor)
    with descriptors(0, 2000), ExitStack() as stack:
        idle = [stack.enter_context(connected(path)) for _ in range(1000)]
        assert folder.procrun("ps").returncode == 0
        until(lambda: open_descriptors(supervisor) <= few + 64, "no more than 64 are served")
        assert idle[0].recv(1) == b""  # the first that came was hung up on
        idle[-1].sendall(HELLO)  # the last may still ask
        assert json.loads(rest_of(idle[-1]))["type"] == "welcome"

        assert_well(folder, run)


def test_a_client_that_waits_for_its_answer_is_not_hung_up_on_for_others(folder: Folder) -> None:
    folder.procfile("web: rm -f go; trap '' TERM; echo ready; while [ ! -e go ]; do sleep 0.02; done")
    run = folder.start("-t", "60")
    run.wait_for("ready")
    path = socket_of(folder)
    with ExitStack() as stack:
        busy = [stack.enter_context(connected(path)) for _ in range(64)]
        for connection in busy:
            connection.sendall(RESTART)
        until(lambda: not any(map(unread, busy)), "all are being served")

        result = folder.procrun("ps")
        assert (result.returncode, result.stderr) == (1, "procrun: too many clients; try again in a moment\n")

        folder.write("go", "")
        for connection in busy:
            assert json.loads(rest_of(connection).splitlines()[-1])["type"] == "done"
    assert re.search(r"^web\.1 +(?:up|starting)", folder.procrun("ps").stdout, re.MULTILINE)
    run.wait_for("ready", count=2)  # it has taken the old `go` away
    run.signal(TERM)
    folder.write("go", "")
    run.finish()


def test_without_descriptors_nothing_spins_and_the_client_waits(folder: Folder) -> None:
    run, path = started(folder)
    supervisor = int(path.stem)
    at_rest(supervisor)
    with ExitStack() as stack:
        with descriptors(supervisor, no_descriptor_more(supervisor)):
            client = stack.enter_context(connected(path))
            client.sendall(HELLO)
            before = cpu_ticks(supervisor)
            client.settimeout(1.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
            assert cpu_ticks(supervisor) - before < 30  # of 150
        client.settimeout(PATIENCE)

        assert json.loads(rest_of(client))["type"] == "welcome"
    assert_well(folder, run)


def test_the_last_descriptor_goes_to_who_asks(folder: Folder) -> None:
    run, path = started(folder)
    supervisor = int(path.stem)
    at_rest(supervisor)
    few = open_descriptors(supervisor)
    with connected(path) as idle:
        until(lambda: open_descriptors(supervisor) == few + 1, "it is let in")
        with descriptors(supervisor, no_descriptor_more(supervisor)):
            assert [answer["type"] for answer in answers(path, HELLO)] == ["welcome"]
        assert idle.recv(1) == b""
    assert_well(folder, run)


# --- what is sent


def test_a_request_may_come_in_pieces_or_before_others_which_are_ignored(folder: Folder) -> None:
    run, path = started(folder)

    one_by_one = answers(path, *(PS[at : at + 1] for at in range(len(PS))))
    in_two = answers(path, PS[:-1], PS[-1:])

    with_others = answers(path, PS + b'{"type":"stop","names":[]}\n' * 5000)

    assert [answer["type"] for answer in (*one_by_one, *in_two, *with_others)] == ["status"] * 3
    assert "called" not in run.output  # the stop
    assert_well(folder, run)


def test_a_second_request_during_the_first_is_refused(folder: Folder) -> None:
    run, path = started(folder)

    *steps, last = answers(path, RESTART + PS)

    assert last == {"type": "refused", "text": "one request is enough for one connection", "exit_status": 2}
    assert {step["type"] for step in steps} <= {"progress"}
    run.wait_for("ready", count=2)
    assert_well(folder, run)


NESTED = b"[" * 50_000
NO_REQUEST = [
    b"",
    b"\0",
    b'{"type":"ps"}\0',
    b"\xff\xfe",
    b'{"type":"stop","names":["\xff"]}',
    b'{"type":"stop","names":["\\ud800"]}',
    b"GET / HTTP/1.1\r",
    NESTED,
    b'{"type":' * 8000,
    b'{"type":"ps","x":' + NESTED,
    b'{"type":"ps","x":%b1%b}' % (b"[" * 20_000, b"]" * 20_000),
    b"null",
    b"[]",
    b"1e999",
    b"9" * 60_000,
    b"{}",
    b'{"type":"fly"}',
    b'{"type":["ps"]}',
    b'{"type":"deployed","status":0}',
    b'{"type":"stop"}',
    b'{"type":"stop","names":null}',
    b'{"type":"stop","names":[],"timeout":"now"}',
    b'{"type":"stop","names":[],"timeout":1e999}',
    b'{"type":"stop","names":[],"timeout":-1}',
    b'{"type":"stop","names":[],"timeout":%b}' % (b"9" * 5000),
    b'{"type":"stop","names":["none"],"names":[]}',
    b'{"type":"stop","names":["none"],"type":"ps"}',
    b'{"type":"restart","names":["web\\n"]}',
    b'{"type":"restart","names":["\\u001b[31mweb"]}',
    b'{"type":"restart","names":["%b"]}' % (b"w" * 60_000),
    b'{"type":"restart","names":[],"rolling":1}',
    b'{"type":"scale","formation":{"web":-5}}',
    b'{"type":"scale","formation":{"web":1e400}}',
    b'{"type":"scale","formation":{"web":%b}}' % (b"9" * 4300),
    b'{"type":"scale","formation":{"web":99999999999999999999}}',
    b'{"type":"scale","formation":{"web":65535}}',
    b'{"type":"signal","signal":"%b","names":["web"]}' % (b"9" * 5000),
    b'{"type":"signal","signal":"\\u00b2","names":["web"]}',
    b'{"type":"signal","signal":"9\\u0000","names":["web"],"force":true}',
]


def test_what_is_no_request_is_refused_in_one_line_and_nothing_is_done(folder: Folder) -> None:
    run, path = started(folder)
    pid = run.wait_for(r"web\.1 started, pid (\d+)")[1]

    for line in NO_REQUEST:
        answer = answers(path, line + b"\n" + PS)
        assert [part["type"] for part in answer] == ["refused"], line[:60]

    assert re.search(rf"web\.1 +(?:up|starting) +{pid} ", folder.procrun("ps").stdout)
    assert_well(folder, run)


def test_a_line_of_100_megabytes_is_refused_and_takes_no_memory(folder: Folder) -> None:
    run, path = started(folder)
    answers(path, PS)  # imports what it needs
    before = highest_memory(int(path.stem))
    with connected(path) as client:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100):
                client.sendall(b"x" * 1_000_000)
        answer = json.loads(client.makefile("rb").readline())

    assert answer == {"type": "refused", "text": "a request has at most 65536 bytes", "exit_status": 2}
    assert highest_memory(int(path.stem)) - before < 4_000_000
    assert_well(folder, run)


def test_who_sends_too_much_gets_the_whole_answer_and_no_reset(folder: Folder) -> None:
    run, path = started(folder)

    assert [answer["type"] for answer in answers(path, b"x" * 500_000)] == ["refused"]
    assert_well(folder, run)


# --- who leaves, or half leaves


def test_a_client_that_has_shut_down_its_half_gets_its_answer(folder: Folder) -> None:
    run, path = started(folder)
    ask = [need("nc"), "-N", "-U", str(path)]

    restart = subprocess.run(ask, input=RESTART, capture_output=True, timeout=30, check=True).stdout

    kinds = [json.loads(line)["type"] for line in restart.splitlines()]
    assert kinds[-1] == "done"
    assert kinds.count("progress") > 3
    assert [answer["type"] for answer in answers(path, PS, shut=True)] == ["status"]
    assert_well(folder, run)


def test_half_a_request_is_refused(folder: Folder) -> None:
    run, path = started(folder)

    [answer] = answers(path, PS[:-1], shut=True)

    assert answer["text"] == "half a request: the line does not end"
    connected(path).close()
    with connected(path) as client:
        client.sendall(PS[:5])
    assert_well(folder, run)


def test_clients_that_leave_before_or_in_the_middle_of_a_reply_do_no_harm(folder: Folder) -> None:
    run, path = started(folder)
    for request in [PS, RESTART, HELLO] * 100:
        with connected(path) as client:
            client.sendall(request)
    for part in [1, len(RESTART)] * 20:
        with connected(path) as client:
            client.sendall(RESTART[:part])
            client.shutdown(socket.SHUT_WR)
    assert answers(path, RESTART)[-1]["type"] == "done"
    assert_well(folder, run)


QUIETABLE = """\
import os, signal, sys
signal.signal(signal.SIGTSTP, lambda *a: os.write(1, b"quiet\\n"))
signal.signal(signal.SIGTERM, lambda *a: sys.exit())
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


@pytest.mark.parametrize("then", ["closes", "shuts its half", "writes nonsense", "reads nothing"])
def test_a_deploy_whose_client_goes_wrong_leaves_no_worker_quiet(folder: Folder, then: str) -> None:
    folder.write("worker.py", QUIETABLE)
    folder.write("Gemfile.lock", "GEM\n  specs:\n    sidekiq (6.4.1)\n")
    folder.write("procrun.toml", 'platform = "server"\n[process.worker]\nprofile = "sidekiq"\n')
    run, path = started(folder, f"worker: {PYTHON} worker.py")
    request = b'{"type":"deploy","names":["worker"]}\n'
    with connected(path) as client:
        client.sendall(request)
        if then == "shuts its half":
            client.shutdown(socket.SHUT_WR)
            [*_, last] = map(json.loads, rest_of(client).splitlines())
            assert last["text"] == "the second request of this talk cannot come any more; what was begun is taken back"
        elif then == "writes nonsense":
            run.wait_for(r"worker\.1 +\| quiet")
            client.sendall(b"nonsense\n")
            assert json.loads(rest_of(client).splitlines()[-1])["type"] == "refused"
        elif then == "closes":
            run.wait_for(r"worker\.1 +\| quiet")

    run.wait_for(r"worker\.1 +\| ready", count=2)
    assert re.search(r"^worker\.1 +(?:up|starting)", folder.procrun("ps").stdout, re.MULTILINE)
    run.finish(TERM)


# --- who does not read


def test_who_asks_thousands_of_times_and_reads_nothing_is_hung_up_on(folder: Folder) -> None:
    run, path = started(folder)
    before = highest_memory(int(path.stem))
    with connected(path) as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(10_000):
            client.sendall(PS * 1000)
    with descriptors(0, 2000), ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connected(path)).sendall(PS)
        assert folder.procrun("ps").returncode == 0
    assert highest_memory(int(path.stem)) - before < 8_000_000
    assert_well(folder, run)


def test_who_reads_no_steps_is_hung_up_on_and_what_it_began_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    loop, events = Loop(), list[str]()

    def serve(request: Request, send: Callable[[Answer], None]) -> Talk:
        loop.after(0, lambda: flood(send))
        return Talk(lambda: events.append("vanished"))

    def flood(send: Callable[[Answer], None]) -> None:
        sent = 0
        while not events:
            send(Progress(0.0, "web.1", "x" * 1000, 0.0, "", 1))
            sent += 1000
            assert sent < 4 * conversation.UNREAD
        loop.stop()

    Conversation(ours, loop, serve, lambda client: events.append("closed"))
    with theirs:
        theirs.sendall(RESTART)
        loop.run()

    assert events == ["closed", "vanished"]


def test_bytes_that_are_no_text_do_not_end_the_answer(folder: Folder) -> None:
    folder.write("Procfile", b"web: exec sleep 60 # \xff\xfe\n")
    run = folder.start()
    run.wait_for("started")

    assert "web.1" in folder.procrun("ps").stdout
    assert json.loads(folder.procrun("ps", "--json").stdout)[0]["command"].startswith("exec sleep 60 # ")
    run.finish(TERM)


# --- who is let in


def test_another_user_cannot_connect(folder: Folder) -> None:
    need_right("become another user")
    run, path = started(folder)
    for above in path.parents[:4]:
        above.chmod(0o755)  # so that the socket's own mode is what keeps them out
    other = [*AS_NOBODY, need("nc"), "-N", "-U", str(path)]

    result = subprocess.run(other, input=b'{"type":"stop","names":[]}\n', capture_output=True, timeout=30, check=False)

    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Permission denied" in result.stderr
    assert "stop" not in run.output.replace("ready", "")
    assert_well(folder, run)


def test_another_user_who_can_connect_is_hung_up_on(folder: Folder) -> None:
    """Where modes let them in, their uid does not (unix(7), SO_PEERCRED)."""
    need_right("become another user")
    run, path = started(folder)
    path.chmod(0o666)
    for above in path.parents:
        if not above.stat().st_mode & 0o001 and Path(tempfile.gettempdir()) in above.parents:
            above.chmod(0o755)
    other = [*AS_NOBODY, need("nc"), "-N", "-v", "-U", str(path)]

    for request in (PS, b'{"type":"stop","names":[]}\n'):
        result = subprocess.run(other, input=request, capture_output=True, timeout=30, check=False)
        assert result.stdout == b""
        assert b"Permission denied" not in result.stderr
    assert [answer["type"] for answer in answers(path, HELLO)] == ["welcome"]
    assert_well(folder, run)
