"""One question: a port, HTTP or a command, asked once and answered once; nothing is left of one that is over."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from procrun.core.values import Url, read
from procrun.eventloop.loop import Loop
from procrun.health.exec_probe import Command
from procrun.health.probes import Address, Exchange, Get, at_port
from procrun.system.linux import procfs
from procrun.system.process_tree import Family
from procrun.system.types import Exit
from tests.harness import PATIENCE, PYTHON, alive, free_port, until
from tests.programs import need_namespace

Ask = Callable[[Loop, Callable[[str], None]], object]


def answers(ask: Ask, longer: float = 0.0) -> list[str]:
    """All that is answered; the loop runs on for `longer` seconds after the first answer."""
    loop, heard = Loop(), list[str]()

    def answered(reason: str) -> None:
        heard.append(reason)
        loop.after(longer, loop.stop)

    ask(loop, answered)
    assert heard == [], "answered from within the constructor"
    loop.after(PATIENCE, loop.stop)
    loop.run()
    return heard


def connect(*addresses: Address) -> list[str]:
    return answers(lambda loop, answered: Exchange(loop, addresses, 2.0, answered, "port"))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_answers_whichever_address_it_listens_on(host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        assert connect(*at_port(server.getsockname()[1])) == [""]


def test_a_server_of_ipv6_alone_is_found() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=False) as server:
        assert connect(*at_port(server.getsockname()[1])) == [""]


def test_a_port_that_nobody_listens_on_says_so() -> None:
    port = free_port()
    assert connect(*at_port(port)) == [f"nothing listens on port {port}"]


def test_a_unix_socket_answers(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    assert connect(path) == [f"nothing listens on {path}"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert connect(path) == [""]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0procrun-asking")
        server.listen()
        assert connect("@procrun-asking") == [""]


def test_nowhere_to_ask_is_an_answer_too() -> None:
    assert connect() == ["it listens on nothing"]


ONESELF = """
import fcntl, socket, struct
from procrun.health.probes import Exchange
from procrun.eventloop.loop import Loop
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS: up (netdevice(7))
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40001")
for port in (40000, 40001):
    loop = Loop()
    Exchange(loop, [("127.0.0.1", port)], 2.0, lambda reason: (print(reason or "yes"), loop.stop()), "port")
    loop.run()
"""
"""In a network of its own, where only two ports may be given to a connection: it gets the one that it asks for."""


def test_a_connection_to_oneself_is_no_answer() -> None:
    command = [*need_namespace("--net"), PYTHON, "-c", ONESELF]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.stdout == "nothing listens on port 40000\nnothing listens on port 40001\n", told.stderr


# HTTP


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def get(server: socket.socket, *pieces: bytes, path: str = "/health", within: float = 5.0) -> tuple[list[str], bytes]:
    """The answers where the server says these pieces, one after the other; and what it was asked."""
    asked = list[bytes]()

    def serve() -> None:
        # Who has heard enough hangs up, at whatever piece of ours.
        with server.accept()[0] as connection, contextlib.suppress(ConnectionError):
            asked.append(connection.recv(65536))
            for piece in pieces:
                connection.sendall(piece)
                threading.Event().wait(0.02)
            if within < 1:
                connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    heard = answers(lambda loop, told: Get(loop, read(path, server.getsockname()[1]), within, told), longer=0.1)
    thread.join()
    return heard, asked[0]


def test_get_asks_as_a_browser_would(server: socket.socket) -> None:
    heard, asked = get(server, b"HTTP/1.1 200 OK\r\n\r\n", path="/up?deep=1")

    assert heard == [""]
    lines = asked.decode().split("\r\n")
    assert lines[0] == "GET /up?deep=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.getsockname()[1]}" in lines
    assert "Connection: close" in lines


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.0 204 No Content\r\n\r\n",),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",),
        (b"HTTP/1.1 399\r\n\r\n",),
        (b"HT", b"TP/1.1 2", b"00 OK\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",),
        (b"HTTP/1.1 100 Continue\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
)
def test_200_to_399_is_yes(server: socket.socket, pieces: tuple[bytes, ...]) -> None:
    assert get(server, *pieces)[0] == [""]


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n",), " said 503"),
        ((b"HTTP/1.1 404 Not Found\r\n\r\n",), " said 404"),
        ((b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"), " said 500"),
        ((), ": it hung up"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), ": the answer is no HTTP/1"),
        ((b"HTTP/1.1 2",), ": the answer is no HTTP/1"),
        ((b"\x15\x03\x01\x00\x02\x02\x46\n",), ": the answer is no HTTP/1"),
        ((b"x" * 200_000,), ": the answer is no HTTP/1"),
    ],
)
def test_anything_else_is_no_and_says_what_it_was(server: socket.socket, pieces: tuple[bytes], reason: str) -> None:
    url = f"http://127.0.0.1:{server.getsockname()[1]}/health"
    heard = get(server, *pieces)[0]
    assert heard == [f"GET {url}{reason}"]


def test_a_server_that_says_nothing_is_left_in_time(server: socket.socket) -> None:
    heard, _ = get(server, within=0.3)
    assert heard == [f"GET http://127.0.0.1:{server.getsockname()[1]}/health gave no answer in 0.3 s"]


def test_get_of_nobody_says_who_does_not_listen() -> None:
    port = free_port()
    assert answers(lambda loop, told: Get(loop, read("/", port), 2.0, told)) == [f"nothing listens on port {port}"]


def test_a_name_is_looked_up_beside_the_loop(server: socket.socket) -> None:
    name = socket.gethostname()
    url = Url(name, server.getsockname()[1], "/")
    heard = answers(lambda loop, told: Get(loop, url, 5.0, told))
    # A machine's own name need not be known to it, as in a chroot.
    assert heard[0] in ("", f"nothing listens on port {url.port}") or re.search("gave no answer|is not found", heard[0])


def test_a_name_that_nobody_has_is_told() -> None:
    heard = answers(lambda loop, told: Get(loop, Url("no-such-host.invalid", 80, "/"), 20.0, told))
    assert re.match(r"the name no-such-host\.invalid is not found: \w+|the name .* was not found in", heard[0])


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/", "http://127.0.0.1:5000/"),
        ("/up?a=b", "http://127.0.0.1:5000/up?a=b"),
        ("http://localhost", "http://localhost:80/"),
        ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x"),
        ("http://[::1]:3000?x", "http://[::1]:3000/?x"),
        ("http://shop.localhost:3000/", "http://shop.localhost:3000/"),
    ],
)
def test_paths_and_urls(text: str, url: str) -> None:
    assert str(read(text, 5000)) == url


@pytest.mark.parametrize(
    "text",
    ["", "health", "//x", "/a b", "/ä", "/a#b", "http://", "http://x:0/", "http://x:65536/", "http://a@b/", "ftp://x/"],
)
def test_what_is_neither_path_nor_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="takes a path"):
        read(text, 5000)


def test_https_is_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="curl"):
        read("https://localhost/", 5000)


# A command


class Commands:
    """Runs commands as the supervisor does: children are reaped in the loop, and their ends told."""

    def __init__(self, root: Path) -> None:
        self.loop = Loop()
        self.family = Family(procfs.identity(os.getpid()))
        self.ends: dict[int, Callable[[Exit], None]] = {}
        self.heard: list[str] = []
        self.root = str(root)
        self.loop.signals({signal.SIGCHLD: self.reap})

    def ask(self, line: str, within: float = PATIENCE) -> Command:
        env = {"PATH": os.environ["PATH"], "PORT": "5007"}
        return Command(
            self.loop, self.family, self.ends, "web.1:ready", line, self.root, env, within, self.heard.append
        )

    def reap(self) -> None:
        while self.ends:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
            if info is None:
                return
            died = info.si_code == os.CLD_EXITED
            end = Exit(info.si_status, None) if died else Exit(None, info.si_status)
            told = self.ends.pop(info.si_pid, None)
            if told is not None:
                told(end)

    def until(self, true: Callable[[], object]) -> None:
        deadline = monotonic() + PATIENCE
        while not true():
            assert monotonic() < deadline
            self.loop.after(0.01, lambda: None)
            self.loop.turn()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    yield made
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("true", ""),
        ("test $PORT = 5007", ""),
        ("echo told; echo told >&2; cat; pwd > here", ""),
        ("exit 3", "the command `exit 3` ended with exit 3"),
        ("kill -9 $$", "the command `kill -9 $$` ended with killed by KILL"),
        ("no-such-program", "the command `no-such-program` ended with exit 127"),
    ],
)
def test_a_command_says_yes_by_exit_0(commands: Commands, line: str, answer: str) -> None:
    commands.ask(line)
    commands.until(lambda: commands.heard)
    assert commands.heard == [answer]


def test_a_command_runs_in_the_apps_folder(commands: Commands, tmp_path: Path) -> None:
    commands.ask("pwd > here")
    commands.until(lambda: commands.heard)
    assert (tmp_path / "here").read_text().strip() == str(tmp_path)


def test_a_command_that_hangs_is_killed_with_all_it_started(commands: Commands, tmp_path: Path) -> None:
    hangs = "trap '' TERM INT HUP; setsid sh -c 'echo $$ > a; exec sleep 600' & sleep 600 & echo $! > b; wait"
    commands.ask(hangs, within=3)  # in which it has started everything
    commands.until(lambda: commands.heard)
    assert commands.heard == [f"the command `{hangs}` was not done in 3 s"]
    pids = [int((tmp_path / name).read_text()) for name in "ab"]
    until(lambda: not any(map(alive, pids)), "all of it is gone")


def test_what_a_command_leaves_running_is_ended(commands: Commands, tmp_path: Path) -> None:
    commands.ask("sleep 600 & echo $! > left; exit 0")
    commands.until(lambda: commands.heard)
    until(lambda: not alive(int((tmp_path / "left").read_text())), "it is gone")
    assert commands.heard == [""]


def test_a_cancelled_command_is_killed_and_answers_nothing(commands: Commands, tmp_path: Path) -> None:
    question = commands.ask("echo $$ > pid; echo > begun; sleep 600")
    commands.until(lambda: (tmp_path / "begun").exists())
    question.cancel()
    until(lambda: not alive(int((tmp_path / "pid").read_text())), "it is gone")
    assert commands.heard == []


def test_a_command_that_cannot_be_started_says_why(commands: Commands) -> None:
    commands.root = "/no/such/folder"
    commands.ask("true")
    assert commands.heard == []
    commands.until(lambda: commands.heard)
    assert "No such file or directory: /no/such/folder" in commands.heard[0]
