"""Keys while `procrun start` runs on a terminal: choose, mute, restart, list; and the terminal as it was."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pexpect
import pytest

from procrun.control.protocol import Answer, Request, Restart, Talk
from procrun.run import keyboard
from procrun.system.linux import procfs
from tests.harness import PROCRUN, PYTHON, Folder, alive, is_read, until
from tests.programs import need_right
from tests.supervise.test_attach import TERMINAL, modes

START = " ".join([*PROCRUN, "start", "--no-colour"])
TICKS = "while :; do echo tick; sleep 0.1; done"


@pytest.fixture
def shell(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """A shell without line editing, which leaves the terminal's modes alone."""
    environment = {**os.environ, "PS1": "shell> "}
    need_right("open a terminal")
    spawned = pexpect.spawn("sh", ["-i"], **TERMINAL, cwd=str(folder.path), env=environment, dimensions=(40, 200))
    spawned.expect("shell> $")
    yield spawned
    spawned.close(force=True)


@pytest.fixture
def terminal(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """`procrun start` on a terminal of its own, which reads only where the test does."""
    folder.procfile("a: while ! [ -e go ]; do sleep 0.05; done; yes | head -n 3000000; touch done; sleep 1000")
    need_right("open a terminal")
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
    shell.send("1")
    shell.expect(r"a\.1 is chosen.*\r\n")
    shell.send("m")
    shell.expect(r"a\.1 is muted; m shows it again\r\n")
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
    shell.send("2")
    shell.expect(r"b\.1 is chosen")
    shell.send("r")
    shell.expect(r"press r again within 5 s to restart b\.1\r\n")
    shell.send("r")
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
    shell.expect("press R again within 5 s to reload: what has changed is restarted\r\n")
    shell.send("R")
    shell.expect("reload: nothing is new\r\n")
    folder.procfile("a: sleep 1000", "b: sleep 1001")
    shell.send("R")
    shell.expect("press R again")
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
    row = procfs.stat(supervisor)
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

    shell.send("\x1b")  # or they would be for the prompt
    shell.send("1")
    shell.expect(r"a\.1 is chosen")
    shell.send("m")
    shell.expect(r"a\.1 is muted; m shows it again\r\n")
    shell.send("r")
    shell.expect("press r again")
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
    row = procfs.stat(instance)
    assert row is not None
    pipe = os.stat(f"/proc/{instance}/fd/1").st_ino
    until(lambda: is_read(row.ppid, pipe), "it is read")

    folder.write("go", "")
    until(lambda: not is_read(row.ppid, pipe), "it is held back, as nobody reads the terminal")
    terminal.send("m")
    until((folder.path / "done").exists, "everything was read")

    terminal.sendintr()
    terminal.expect(pexpect.EOF)


# --- Keys that are meant for somebody else


@pytest.fixture
def script(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """A script without job control starts procrun in its background, and then a debugger on the same terminal.

    Its shell has procrun ignore INT, and both are in the foreground (POSIX, 2.11). By itself it would give procrun
    /dev/null to read; bash takes `<&0` for the terminal, dash needs another descriptor.
    """
    folder.procfile("css: echo $PPID is it; sleep 1000", "js: sleep 1000")
    line = f"exec 3<&0; {START} <&3 & exec {PYTHON} -q -i 3<&-"
    need_right("open a terminal")
    spawned = pexpect.spawn("sh", ["-c", line], **TERMINAL, cwd=str(folder.path), dimensions=(40, 200))
    spawned.expect(r"css\.1 +\| (\d+) is it")
    yield spawned
    spawned.close(force=True)


def test_beside_a_debugger_no_key_is_read_and_ctrl_c_is_obeyed(script: "pexpect.spawn[str]") -> None:
    assert isinstance(script.match, re.Match)
    supervisor = int(script.match[1])

    for number in range(20):  # each letter is a key of procrun, and each answer shows that the debugger got them
        script.sendline(f"'p1r1r?mR' * 2 + str({number} + 1000)")
        script.expect(f"'p1r1r.mRp1r1r.mR{number + 1000}'")
        assert not re.search("PID|is chosen|press r|keys:|muted", str(script.before))

    script.sendintr()
    script.expect("INT received; stopping")
    until(lambda: not alive(supervisor), "everything is stopped")
    script.sendline("exit()")
    script.expect(pexpect.EOF)


OTHER_MODES = """
import os, subprocess, sys, termios, tty

def say(*words):
    print(*words, end="\\r\\n", flush=True)

run = subprocess.Popen([sys.executable, "-m", "procrun", "start", "--no-colour"])
open("go").read()
tty.setraw(0)
say("mine")
for _ in range(4):
    say("got", os.read(0, 1))
run.terminate()
run.wait()
say("signals" if termios.tcgetattr(0)[3] & termios.ISIG else "still raw")
subprocess.run(["stty", "sane"])
"""


def test_a_terminal_that_has_other_modes_is_neither_read_nor_changed(
    folder: Folder, shell: "pexpect.spawn[str]"
) -> None:
    """INT is not ignored here: a runner of scripts has started both."""
    folder.procfile("a: echo up; sleep 1000", "b: sleep 1000")
    folder.write("script.py", OTHER_MODES)
    os.mkfifo(folder.path / "go")
    shell.sendline(f"{PYTHON} script.py")
    shell.expect(r"\| up\r\n")
    shell.send("1")
    shell.expect(r"a\.1 is chosen")  # so keys are read until then
    folder.write("go", "")
    shell.expect("mine\r\n")

    for key in "1r?p":
        shell.send(key)
        shell.expect(re.escape(f"got b'{key}'"))
        assert not re.search("chosen|press|keys|PID", str(shell.before))

    shell.expect("still raw\r\n")
    shell.expect("shell> $")


def test_pasted_text_is_no_keys(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: echo $$ is it; sleep 1000")
    shell.sendline(START)
    shell.expect(r"a\.1 +\| (\d+) is it")

    shell.send("rrR\r")
    shell.expect("several keys at once are taken for text, and ignored; `procrun attach NAME` types to a process\r\n")
    shell.send("rr")
    shell.send("?")
    shell.expect("keys: 1-9 choose")
    assert not re.search("press|several", str(shell.before))
    stop(shell)
    assert "started" not in str(shell.before)


def test_another_key_takes_the_question_back(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("a: sleep 1000")
    shell.sendline(START)
    shell.expect(r"a\.1 started")

    for key, answer in (("r", "press r again"), ("R", "press R again"), ("r", "press r again"), ("m", "muted")):
        shell.send(key)
        shell.expect(answer)
    shell.send("r")
    shell.expect("press r again within 5 s to restart a\\.1\r\n")
    stop(shell)
    assert "started" not in str(shell.before)


def test_a_question_is_forgotten_after_a_while() -> None:
    """A letter typed minutes later is another one."""
    now = 100.0
    asked: list[object] = []
    said: list[str] = []

    def serve(request: Request, answer: Callable[[Answer], None]) -> Talk:
        asked.append(request)
        return Talk()

    supervisor = SimpleNamespace(processes={"a.1": None})
    outlet = SimpleNamespace(prompt=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyboard, "monotonic", lambda: now)
        keys = keyboard.Keyboard(cast(Any, supervisor), serve, cast(Any, outlet), said.append)
        keys.press("r")
        now += keyboard.AGAIN_WITHIN
        keys.press("r")
        assert not asked
        now += keyboard.AGAIN_WITHIN / 2
        keys.press("r")

    assert asked == [Restart(["a.1"])]
    assert said == ["press r again within 5 s to restart a.1"] * 2


def test_at_a_prompt_the_keys_say_how_to_answer_it(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    """`error` and Enter, typed at a debugger's prompt: r twice, and nothing is restarted."""
    folder.procfile("web: printf '(Pdb) '; read answer; echo got $answer; printf '(Pdb) '; read answer; sleep 1000")
    shell.sendline(START)
    shell.expect(r"web\.1 +\| \(Pdb\) ")

    for key in "error\r":
        shell.send(key)
    shell.expect("web.1 shows a prompt: `procrun attach web.1` in another terminal answers it; Esc makes these keys")
    shell.send("?")
    shell.expect("keys: 1-9 choose")
    assert not re.search("prompt:|press|started", str(shell.before))

    folder.procrun("attach", "web", text="c\n")
    shell.expect(r"got c\r\n.*\(Pdb\) ")
    shell.send("r")
    shell.expect("web.1 shows a prompt:")  # it is another one
    shell.send("\x1b")
    shell.send("r")
    shell.expect("press r again within 5 s")
    shell.send("r")
    shell.expect(r"web\.1 started, pid")
    stop(shell)
