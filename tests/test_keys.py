"""Keys while `procrun start` runs on a terminal: choose, mute, restart, list; and the terminal as it was."""

import os
import re
import signal
from collections.abc import Iterator

import pexpect
import pytest

from procrun import proc
from tests.harness import PROCRUN, Folder, is_read, until
from tests.test_attach import TERMINAL, modes

START = " ".join([*PROCRUN, "start", "--no-colour"])
TICKS = "while :; do echo tick; sleep 0.1; done"


@pytest.fixture
def shell(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """A shell without line editing, which leaves the terminal's modes alone."""
    environment = {**os.environ, "PS1": "shell> "}
    spawned = pexpect.spawn("sh", ["-i"], **TERMINAL, cwd=str(folder.path), env=environment, dimensions=(40, 200))
    spawned.expect("shell> $")
    yield spawned
    spawned.close(force=True)


@pytest.fixture
def terminal(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """`procrun start` on a terminal of its own, which reads only where the test does."""
    folder.procfile("a: while ! [ -e go ]; do sleep 0.05; done; yes | head -n 3000000; touch done; sleep 1000")
    spawned = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start"], **TERMINAL, cwd=str(folder.path))
    yield spawned
    spawned.close(force=True)


def foreground(shell: "pexpect.spawn[str]") -> None:
    """Wait until `fg` has taken effect: it tells the command before, and a key would be the shell's."""
    until(lambda: os.tcgetpgrp(shell.child_fd) != os.getpgid(shell.pid or 0), "the job is in the foreground")


def stop(shell: "pexpect.spawn[str]") -> None:
    shell.sendintr()
    shell.expect("shell> $")


def test_an_instance_is_chosen_muted_and_shown_again(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile(f"a: {TICKS}", "b: sleep 1000")
    shell.sendline(START)
    shell.expect(r"a\.1 +\| tick")

    shell.send("?")
    shell.expect(r"keys: 1-9 choose.*\r\n.*1 a\.1\r\n.*2 b\.1\r\n")
    shell.send("1m")
    shell.expect(r"a\.1 is chosen.*\r\n(.*tick\r\n)*.*a\.1 is muted; m shows it again\r\n")
    shell.send("?")
    shell.expect(r"1 a\.1, muted, chosen\r\n")
    assert "tick" not in str(shell.before)
    shell.send("a")
    shell.expect(r"all are shown\r\n.*a\.1 +\| tick")
    stop(shell)


def test_restart_and_states(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: sleep 1000", "b: sleep 1000")
    shell.sendline(START)
    shell.expect(r"b\.1 started")

    shell.send("r")
    shell.expect("none is chosen: 1-9 choose")
    shell.send("2r")
    shell.expect(r"b\.1 TERM 0\.00 → gone .*\r\n.*b\.1 started, pid (\d+)")
    assert isinstance(shell.match, re.Match)
    pid = shell.match[1]
    shell.send("p")

    shell.expect(rf"b\.1 +up +{pid} ")
    stop(shell)


def test_reload(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: sleep 1000", "b: sleep 1000")
    shell.sendline(START)
    shell.expect(r"b\.1 started")

    shell.send("R")
    shell.expect("reload: nothing is new\r\n")
    folder.procfile("a: sleep 1000", "b: sleep 1001")
    shell.send("R")

    shell.expect(r"b\.1 restarts: command\r\n")
    shell.expect(r"b\.1 started")
    stop(shell)


@pytest.mark.parametrize("end", ["Ctrl-C", "TERM", "HUP", "supervisor killed"])
def test_modes_of_the_terminal_are_as_before(folder: Folder, shell: "pexpect.spawn[str]", end: str) -> None:
    folder.procfile("a: echo $PPID is it; sleep 1000")
    before = modes(shell)
    shell.sendline(START)
    shell.expect(r"a\.1 +\| (\d+) is it")
    assert isinstance(shell.match, re.Match)
    supervisor = int(shell.match[1])
    row = proc.stat(supervisor)
    assert row is not None
    front = row.ppid

    match end:
        case "Ctrl-C":
            shell.sendintr()
        case "supervisor killed":
            os.kill(supervisor, signal.SIGKILL)
        case _:
            os.kill(front, getattr(signal, f"SIG{end}"))

    shell.expect("shell> $")
    assert modes(shell) == before


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: echo up; sleep 1000", "b: sleep 1000")
    before = modes(shell)
    shell.sendline(START)
    shell.expect(r"\| up\r\n")

    shell.send("\x1a")
    shell.expect("shell> $")
    assert modes(shell) == before
    shell.sendline("fg")
    foreground(shell)
    shell.send("1")
    shell.expect(r"a\.1 is chosen")
    stop(shell)
    assert modes(shell) == before


def test_in_the_background_nothing_is_read(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: echo up; sleep 1000", "b: sleep 1000")
    before = modes(shell)

    shell.sendline(START + " &")
    shell.expect(r"\| up\r\n")

    assert modes(shell) == before
    shell.sendline("fg")
    foreground(shell)
    stop(shell)


def test_no_keys(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: read x </dev/null; echo up; sleep 1000; true")
    shell.sendline(START + " --no-keys")
    shell.expect(r"\| up\r\n")

    shell.send("?p")
    stop(shell)

    assert "keys:" not in str(shell.before)


def test_the_prompt_of_who_is_muted_stands_no_more(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: printf 'sure? '; sleep 1000", f"b: {TICKS}")
    shell.sendline(START)
    shell.expect(r"a\.1 +\| sure\? .*b\.1 +\| tick")

    shell.send("1m")
    shell.expect(r"a\.1 is muted; m shows it again\r\n")
    shell.send("r")
    shell.expect(r"a\.1 started, pid .*\r\n")
    for _ in range(10):
        shell.expect("tick")
        assert "sure" not in str(shell.before)
    stop(shell)


def test_muted_means_no_longer_held_back(folder: Folder, terminal: "pexpect.spawn[str]") -> None:
    """That a terminal takes no more cannot be seen from outside: its buffers are moved up behind a writer's back."""
    terminal.expect(r"a\.1 started, pid (\d+)")
    assert isinstance(terminal.match, re.Match)
    instance = int(terminal.match[1])
    row = proc.stat(instance)
    assert row is not None
    pipe = os.stat(f"/proc/{instance}/fd/1").st_ino
    until(lambda: is_read(row.ppid, pipe), "it is read")

    folder.write("go", "")
    until(lambda: not is_read(row.ppid, pipe), "it is held back, as nobody reads the terminal")
    terminal.send("m")
    until((folder.path / "done").exists, "everything was read")

    terminal.sendintr()
    terminal.expect(pexpect.EOF)
