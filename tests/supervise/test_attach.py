"""`procrun attach`: one terminal, one instance, with a terminal of its own and without."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.harness import INT, PROCRUN, PYTHON, TERM, Folder, running, until
from tests.programs import need_right

TERMINAL: dict[str, Any] = {"encoding": "utf-8", "timeout": 30}
DETACH = "\x1d"
Attach = Callable[..., "pexpect.spawn[str]"]

DEBUGGED = "answer = 41\nbreakpoint()\nprint('answer', answer, flush=True)\nimport time; time.sleep(60)\n"
ECHO = "import sys\nprint('up', flush=True)\nfor line in sys.stdin: print('got', line.strip(), flush=True)\n"


@pytest.fixture
def on_terminal(folder: Folder) -> Iterator[Attach]:
    """Starts a command of procrun in a terminal of its own."""
    spawned: list[pexpect.spawn[str]] = []

    def start(*arguments: str, size: tuple[int, int] = (30, 100)) -> "pexpect.spawn[str]":
        need_right("open a terminal")
        terminal = pexpect.spawn(
            PROCRUN[0], [*PROCRUN[1:], *arguments], **TERMINAL, cwd=str(folder.path), dimensions=size
        )
        spawned.append(terminal)
        return terminal

    yield start
    for terminal in spawned:
        terminal.close(force=True)


@pytest.fixture
def attach(on_terminal: Attach) -> Attach:
    """Starts `procrun attach` in a terminal of its own."""
    return partial(on_terminal, "attach")


@pytest.fixture
def shell(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """A shell without line editing, which leaves the terminal's modes alone."""
    need_right("open a terminal")
    spawned = pexpect.spawn("sh", ["-i"], **TERMINAL, cwd=str(folder.path), env={**os.environ, "PS1": "shell> "})
    spawned.expect("shell> $")
    yield spawned
    spawned.close(force=True)


def modes(shell: "pexpect.spawn[str]") -> str:
    shell.sendline("stty -g")
    shell.expect(r"\n([0-9a-f:]+)\r")
    assert isinstance(shell.match, re.Match)
    return str(shell.match[1])


def ended(terminal: "pexpect.spawn[str]") -> int | None:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


# Without a terminal of its own


def test_lines_go_to_its_stdin_and_what_it_writes_comes_raw(folder: Folder, attach: Attach) -> None:
    folder.write("echo.py", ECHO)
    folder.procfile(f"web: {PYTHON} echo.py; true")
    run = folder.start()
    run.wait_for(r"\| up$")

    terminal = attach("web")
    terminal.expect(r"attached to web\.1: lines go to its stdin, Ctrl-C detaches; `procrun start --pty web\.1` gives")
    terminal.expect("up\r\n")
    terminal.sendline("hello")

    terminal.expect("\ngot hello\r\n")
    run.wait_for(r"web\.1 +\| got hello$")
    terminal.sendintr()
    terminal.expect(r"detached; web\.1 goes on")
    assert ended(terminal) == 0
    assert running(folder) == 1
    run.finish(INT)


def test_pdb_is_served_through_pipes(folder: Folder, attach: Attach) -> None:
    folder.write("app.py", DEBUGGED)
    folder.procfile(f"web: {PYTHON} app.py")
    run = folder.start()
    run.wait_for(r"\(Pdb\)")

    terminal = attach("web")
    terminal.expect(r"\(Pdb\) $")
    terminal.sendline("answer += 1")
    terminal.expect(r"\(Pdb\) $")
    terminal.sendline("c")

    terminal.expect("answer 42")
    run.wait_for(r"\| (\(Pdb\) )*answer 42$")
    terminal.sendintr()
    assert ended(terminal) == 0
    run.finish(INT)


def test_input_that_is_no_terminal_is_sent_and_the_answer_shown(folder: Folder) -> None:
    folder.write("echo.py", ECHO)
    folder.procfile(f"web: {PYTHON} echo.py", "other: sleep 1000")
    run = folder.start()
    run.wait_for(r"\| up$")

    done = folder.procrun("attach", "web", text="one\ntwo\n")

    assert (done.returncode, done.stdout) == (0, "up\ngot one\ngot two\n")
    file = folder.write("input", "three\n")
    with file.open() as stdin:
        again = subprocess.run(
            [*PROCRUN, "attach", "web"], stdin=stdin, capture_output=True, text=True, timeout=60, check=True
        )
    assert again.stdout == "up\ngot one\ngot two\ngot three\n"
    run.finish(INT)


CLOSED = [
    ("attach web", "<&-", 0),
    ("attach web", "<&- >&- 2>&-", 0),
    ("logs -n 1", "<&-", 0),
    ("logs -n 1", ">&- 2>&-", 1),
]
"""A closed output is a failure for who prints anything; there is nobody to tell it to."""


@pytest.mark.parametrize(("command", "ends", "status"), CLOSED)
def test_closed_standard_descriptors_leave_no_traceback(folder: Folder, command: str, ends: str, status: int) -> None:
    folder.procfile("web: echo hello; sleep 1000")
    run = folder.start()
    run.wait_for("hello")

    shell = ["sh", "-c", f"exec {' '.join(PROCRUN)} {command} {ends}"]
    result = subprocess.run(shell, cwd=folder.path, capture_output=True, text=True, timeout=30, check=False)

    assert (result.returncode, result.stderr) == (status, "")
    run.finish(INT)


def test_a_lot_of_input_is_sent_whole_to_who_reads_slowly(folder: Folder) -> None:
    folder.procfile("web: sleep 0.5; head -c 1000000 | wc -c; sleep 1000")
    run = folder.start()
    run.wait_for(r"web\.1 started")

    done = folder.procrun("attach", "web", text="x" * 999_999 + "\n")

    assert (done.returncode, done.stdout) == (0, "1000000\n")
    run.finish(INT)


# With a terminal of its own


@pytest.mark.parametrize(("given", "term"), [("vt100", "vt100"), ("dumb", "dumb"), ("", "xterm-256color")])
def test_a_process_with_a_terminal_knows_it_and_of_which_kind_it_is(
    folder: Folder, on_terminal: Attach, given: str, term: str
) -> None:
    need_right("open a terminal")
    folder.procfile(
        "a: test -t 0 && test -t 1 && test -t 2 && echo yes $TERM end; sleep 1000",
        "b: test -t 1 || echo no $TERM end; sleep 1000",
    )
    folder.write(".env", f"TERM={given}\n")

    terminal = on_terminal("start", "--pty", "a")
    terminal.expect(rf"a\.1 .*yes {term} end\r\n")
    again = on_terminal("logs", "-f", "b")

    again.expect(rf"b\.1 .*no {given} ?end\r\n")
    again.sendintr()
    assert ended(again) == 130
    terminal.sendintr()
    ended(terminal)


OPTIONS = {
    "option": ["start", "--pty", "web.1"],
    "all": ["start", "--pty=all"],
    "bare": ["start", "--pty"],
    "bare before others": ["start", "--pty", "--no-timestamp"],
    "bare before the command": ["--pty", "start"],
    "configuration": ["start"],
}


@pytest.mark.parametrize("how", OPTIONS)
def test_who_gets_a_terminal(folder: Folder, how: str) -> None:
    need_right("open a terminal")
    if how == "configuration":
        folder.write("procrun.toml", "[process.web]\npty = true\n")
    folder.procfile(*(f"{name}: test -t 0 && echo {name}-yes || echo {name}-no; sleep 1000" for name in ("web", "b")))

    verb, *rest = OPTIONS[how]
    run = folder.start(*rest, verb=verb)

    run.wait_for("web-yes$")
    run.wait_for("b-no$" if how in ("option", "configuration") else "b-yes$")
    run.finish(INT)


def test_unknown_name_for_a_terminal_is_refused(folder: Folder) -> None:
    folder.procfile("web: touch started")

    run = folder.start("--pty", "wep")

    assert run.finish() == 2
    assert run.output == 'procrun: --pty: no process "wep"; there are: web; did you mean "web"?\n'


def test_pdb_is_served_on_a_terminal(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.write("app.py", DEBUGGED)
    folder.procfile(f"web: {PYTHON} app.py")
    run = folder.start("--pty", "all")
    run.wait_for(r"\(Pdb\)")

    terminal = attach("web")
    terminal.expect(r"attached to web\.1; Ctrl-\] detaches\r\n")
    terminal.expect(r"\(Pdb\) $")
    terminal.send("answer += 1\r")
    terminal.expect(r"answer \+= 1\r\n")
    terminal.expect(r"\(Pdb\) $")
    terminal.send("c\r")
    terminal.expect("answer 42")
    terminal.send(DETACH)

    terminal.expect(r"detached; web\.1 goes on")
    assert ended(terminal) == 0
    run.wait_for(r"\| answer 42$")
    run.finish(INT)


def test_ctrl_c_in_an_attachment_reaches_the_process_only(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.procfile("web: trap 'echo interrupted' INT; echo up; while :; do sleep 0.05; done", "b: sleep 1000")
    run = folder.start("--pty", "web")
    run.wait_for(r"\| up$")

    terminal = attach("web.1")
    terminal.expect("up")
    terminal.send("\x03")

    terminal.expect("interrupted")
    terminal.send(DETACH)
    assert ended(terminal) == 0
    assert running(folder) == 2
    run.finish(TERM)


def test_the_size_follows_the_attached_terminal_and_goes_back(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.procfile("web: trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done")
    run = folder.start("--pty", "web")
    run.wait_for(r"\| 24 80$")

    terminal = attach("web", size=(31, 101))
    terminal.expect("31 101\r\n")
    terminal.setwinsize(41, 111)

    terminal.expect("41 111\r\n")
    terminal.send(DETACH)
    assert ended(terminal) == 0
    run.wait_for(r"\| 24 80$", 2)
    run.finish(INT)


def test_the_size_is_that_of_the_main_terminal_without_the_prefix(folder: Folder, on_terminal: Attach) -> None:
    need_right("open a terminal")
    folder.procfile("web: trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done")
    terminal = on_terminal("start", "--pty", "all", "--no-colour", size=(40, 120))
    terminal.expect(r"web\.1   \| 40 101\r\n")

    terminal.setwinsize(50, 90)

    terminal.expect(r"web\.1   \| 50 71\r\n")
    terminal.sendintr()
    ended(terminal)


def test_modes_of_the_terminal_are_as_before(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: echo up; sleep 1000")
    run = folder.start("--pty", "web")
    run.wait_for(r"\| up$")
    before = modes(shell)

    for end in ("detach", "TERM", "HUP"):
        shell.sendline(" ".join([*PROCRUN, "attach", "web"]))
        shell.expect("up\r\n")
        if end == "detach":
            shell.send(DETACH)
        else:
            (pid,) = children(int(str(shell.pid)))
            os.kill(pid, getattr(signal, f"SIG{end}"))
        shell.expect("shell> $")
        assert modes(shell) == before
    shell.sendline(" ".join([*PROCRUN, "attach", "web"]))
    shell.expect("up\r\n")
    run.finish(INT)
    shell.expect("shell> $")
    assert modes(shell) == before


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# Who may, and what harms nobody


def test_only_the_first_types(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.write("echo.py", ECHO)
    folder.procfile(f"web: {PYTHON} echo.py; true")
    run = folder.start("--pty", "all")
    run.wait_for(r"\| up$")
    first = attach("web")
    first.expect("up")

    second = attach("web")
    second.expect(r"attached to web\.1 to look on: somebody else types; Ctrl-C detaches")
    second.sendline("mine")
    first.send("yours\r")
    second.expect("got yours")
    second.sendintr()
    assert ended(second) == 0
    first.send(DETACH)
    assert ended(first) == 0

    third = attach("web")
    third.expect(r"attached to web\.1; Ctrl-\]")
    third.send("now mine\r")
    third.expect("got now mine")
    third.send(DETACH)
    assert ended(third) == 0
    assert "got mine" not in run.output
    run.finish(INT)


def test_a_name_that_means_several_is_refused_with_their_names(folder: Folder) -> None:
    folder.procfile("web: sleep 1000")
    run = folder.start("-m", "web=2")
    run.wait_for("started, pid", 2)

    refused = folder.procrun("attach", "web")

    assert refused.returncode == 2
    assert refused.stderr == "procrun: web is more than one; attach to one of them: web.1, web.2\n"
    run.finish(INT)


def test_it_survives_a_restart_and_ends_with_the_instance(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.write("echo.py", ECHO)
    folder.procfile(f"web: {PYTHON} echo.py; true", "b: sleep 1000")
    run = folder.start("--pty", "web")
    run.wait_for(r"\| up$")
    terminal = attach("web")
    terminal.expect("up\r\n")

    assert folder.procrun("restart", "web").returncode == 0

    terminal.expect(r"procrun: web\.1 killed by TERM")
    terminal.expect(r"procrun: web\.1 started, pid \d+")
    terminal.expect("up\r\n")
    terminal.send("still here\r")
    terminal.expect("got still here")
    assert folder.procrun("stop", "web").returncode == 0
    terminal.expect(r"procrun: web\.1 has ended: killed by TERM")
    assert ended(terminal) == 0

    down = folder.procrun("attach", "web")
    assert (down.returncode, down.stderr) == (1, "procrun: web.1 is down; `procrun start web.1` starts it\n")
    run.finish(INT)


def test_a_killed_client_leaves_the_instance_alone(folder: Folder, attach: Attach) -> None:
    need_right("open a terminal")
    folder.write("echo.py", ECHO)
    folder.procfile(f"web: {PYTHON} echo.py; true")
    run = folder.start()
    run.wait_for(r"\| up$")
    terminal = attach("web")
    terminal.expect("up\r\n")

    terminal.kill(signal.SIGKILL)
    terminal.expect(pexpect.EOF)

    again = folder.procrun("attach", "web", text="hello\n")
    assert again.stdout == "up\ngot hello\n"
    run.finish(INT)


def test_a_client_that_reads_nothing_keeps_nobody_waiting_and_is_told_what_it_missed(folder: Folder) -> None:
    folder.procfile("web: echo up; read line; seq 200000; echo done; sleep 1000")
    run = folder.start()
    run.wait_for(r"\| up$")
    until(lambda: list(folder.path.glob(".procrun/*.sock")), "the socket is there")
    path = str(next(folder.path.glob(".procrun/*.sock")))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b'{"type":"attach","name":"web"}\n{"type":"keys","data":"Z28K"}\n')

        run.wait_for(r"\| done$")

        answers, seen, lost = client.makefile("rb"), 0, 0
        while not lost:
            answer = json.loads(answers.readline())
            seen += len(answer.get("data", "")) // 4 * 3
            lost += answer.get("lost", 0)
            if answer["type"] != "taken":
                client.sendall(b'{"type":"more"}\n')
    assert seen < 400_000 < seen + lost
    run.finish(INT)


def test_when_the_supervisor_is_killed_the_terminal_hangs_up_and_all_is_gone(folder: Folder) -> None:
    need_right("open a terminal")
    folder.procfile("web: trap '' TERM; trap 'echo hung up > log; exit' HUP; echo up; while :; do sleep 0.05; done")
    run = folder.start("--pty", "web")
    run.wait_for(r"\| up$")

    os.kill(children(run.pid)[0], signal.SIGKILL)

    assert run.finish() == 137
    until((folder.path / "log").exists, "HUP was heard")
