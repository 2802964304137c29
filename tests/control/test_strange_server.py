"""Whoever listens where a run should: its answers are bounded in time and size, and believed as far as they can be."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from procrun.control import client, protocol
from procrun.control.protocol import Refused, Welcome, encode
from procrun.core.errors import ControlError, SilentError
from tests.core.test_rundir import HURRIED
from tests.harness import PYTHON, Folder
from tests.programs import NOBODY, need_right

Answer = Callable[[socket.socket, bytes], None]


@contextmanager
def server(folder: Path, pid: int, *answers: Answer, owner: int | None = None) -> Iterator[Path]:
    """Listens in the folder as a run would, and answers each connection's request by the next of `answers`."""
    home = folder / ".procrun"
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / f"{pid}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        if owner is not None:
            os.chown(path, owner, owner)
        listener.listen()
        over = threading.Event()

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    answer(connection, connection.recv(65536))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def says(*messages_: object) -> Answer:
    def answer(connection: socket.socket, request: bytes) -> None:
        for message in messages_:
            connection.sendall(message if isinstance(message, bytes) else encode(message))

    return answer


def drips(connection: socket.socket, request: bytes) -> None:
    """A byte now and then, as long as somebody takes it."""
    try:
        while True:
            connection.sendall(b" ")
            threading.Event().wait(0.05)
    except OSError:
        pass


def endless(connection: socket.socket, request: bytes) -> None:
    """A line without an end, as long as somebody takes it."""
    try:
        while True:
            connection.sendall(b"x" * 65536)
    except OSError:
        pass


def welcome(pid: int = 0) -> Welcome:
    return Welcome(pid or os.getpid(), 1.0, {"web.1": "up"})


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "HELLO_TIMEOUT", 0.5)


def test_who_sends_a_byte_now_and_then_gains_no_time(folder: Folder) -> None:
    with server(folder.path, os.getpid(), drips), pytest.raises(SilentError, match="does not answer"):
        client.find(str(folder.path), ())


def test_nor_does_who_has_said_hello(folder: Folder) -> None:
    with server(folder.path, os.getpid(), says(welcome()), drips):
        ((run, _),) = client.find(str(folder.path), ())
        with pytest.raises(SilentError, match="does not answer"):
            client.ask(run.path, protocol.Stop([]))


def test_who_makes_progress_for_ever_is_left_when_the_time_is_over(folder: Folder) -> None:
    def progresses(connection: socket.socket, request: bytes) -> None:
        try:
            while True:
                connection.sendall(encode(protocol.Progress(0.0, "web.1", "started", 0.0, "", 1)))
                threading.Event().wait(0.05)
        except OSError:
            pass

    with server(folder.path, os.getpid(), says(welcome()), progresses):
        ((run, _),) = client.find(str(folder.path), ())
        with pytest.raises(SilentError, match="does not answer"):
            client.rows(run, timeout=0.5)


def test_a_line_without_an_end_is_read_no_further_than_a_line_may_be_long(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HELLO_TIMEOUT", 20.0)
    with server(folder.path, os.getpid(), endless), pytest.raises(ControlError, match="a line of more than 67108864 "):
        client.find(str(folder.path), ())


@pytest.mark.parametrize(
    "answer",
    [
        welcome(-5),
        welcome(10**12),
        Welcome(os.getpid(), -1.0, {}),
        Welcome(os.getpid(), 1e300, {}),
        Refused("no", 0),
        Refused("no", -1),
        Refused("no", 1000),
        b'{"type":"welcome","pid":true,"since":0,"states":{}}\n',
        b"\n",
        b"\xff\n",
    ],
)
def test_what_no_run_says_is_one_line(folder: Folder, answer: object) -> None:
    expected = pytest.raises(ControlError, match="the running procrun answered something else: ")
    with server(folder.path, os.getpid(), says(answer)), expected as told:
        client.find(str(folder.path), ())
    assert told.value.exit_status in (1, 2)


def test_the_kernel_says_who_listens(folder: Folder) -> None:
    """`stop` waits for the end of that process, and messages name it."""
    with server(folder.path, 4242, says(welcome(1)), says(welcome(os.getppid())), says(welcome(os.getpid()))):
        pids = [client.runs(str(folder.path))[0].pid for _ in range(3)]

    assert pids == [os.getpid(), os.getppid(), os.getpid()]


@pytest.mark.parametrize("pid", [0, 1, 4194305])
def test_a_name_of_a_process_that_is_not_its_owners_gives_no_advice(folder: Folder, pid: int) -> None:
    with server(folder.path, pid, drips), pytest.raises(SilentError) as told:
        client.find(str(folder.path), ())

    assert str(told.value) == (
        f"nobody answers behind {folder.path}/.procrun/{pid}.sock, and its name is no process of its owner's"
    )


def test_root_is_not_advised_to_kill_a_process_of_its_own_for_another_users_socket(folder: Folder) -> None:
    need_right("give files away")
    for path in (folder.path, folder.path / ".procrun"):
        path.mkdir(exist_ok=True, mode=0o700)
        os.chown(path, NOBODY, NOBODY)
    with server(folder.path, os.getpid(), drips, owner=NOBODY):
        code = f"{HURRIED}from procrun.__main__ import main; main()"
        told = subprocess.run(
            [PYTHON, "-c", code, "ps"], cwd=folder.path, capture_output=True, text=True, check=False, timeout=60
        )

    assert told.returncode == 124
    assert re.fullmatch(r"procrun: nobody answers behind \S+, and its name is no process of its owner's\n", told.stderr)
