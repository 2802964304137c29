"""procrun in a real terminal: Ctrl-C, Ctrl-Z and fg, a closed window, a prompt that stays the last line."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.harness import A_SECOND, PROCRUN, Folder, alive, child, until
from tests.programs import need, need_right

START = " ".join([*PROCRUN, "start"])
TERMINAL: dict[str, Any] = {"encoding": "utf-8", "timeout": 30}


@pytest.fixture
def shell(folder: Folder) -> Iterator["pexpect.spawn[str]"]:
    """An interactive shell in the app's folder."""
    need_right("open a terminal")
    spawned = pexpect.spawn("bash", ["--norc", "-i"], **TERMINAL, cwd=str(folder.path), dimensions=(40, 200))
    spawned.sendline("PS1='shell> '; bind 'set enable-bracketed-paste off'")
    spawned.expect("shell> $")
    yield spawned
    spawned.close(force=True)


def seen(terminal: "pexpect.spawn[str]", pattern: str) -> int:
    """The number that `pattern` catches on the screen."""
    terminal.expect(pattern)
    assert isinstance(terminal.match, re.Match)
    return int(terminal.match[1])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_ctrl_c_stops_everything_once_and_the_shell_sees_130(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0.5", "0"))
    shell.sendline(START)
    shell.expect("ready")

    shell.sendintr()

    shell.expect(r"INT received; stopping web\.1")
    shell.expect(r"web\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)")
    shell.expect("shell> $")
    shell.sendline("echo status $?")
    shell.expect("status 130")


def test_ctrl_backslash_stops_everything(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(START)
    shell.expect("ready")

    shell.send("\x1c")

    shell.expect(r"QUIT received; stopping web\.1")
    shell.expect("shell> $")


def test_ctrl_z_suspends_the_dynos_and_fg_continues_them(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(START)
    pid = seen(shell, r"ready pid=(\d+)")

    shell.send("\x1a")
    shell.expect("Stopped")
    shell.expect("shell> $")
    until(lambda: state(pid) == "T", "the dyno stands still")

    shell.sendline("fg")
    shell.expect("start")
    until(lambda: state(pid) != "T", "the dyno goes on")
    shell.sendintr()
    shell.expect("shell> $")


def test_ctrl_z_during_a_stop_is_ignored(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "1.5", "0"))
    shell.sendline(START)
    shell.expect("ready")
    shell.sendintr()
    shell.expect("asked to stop")

    shell.send("\x1a")

    shell.expect("Ctrl-Z is ignored during a stop")
    shell.expect(rf"gone {A_SECOND} s")
    shell.expect("shell> $")


def test_a_closed_terminal_stops_everything(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0") + " > log")
    need_right("open a terminal")
    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start"], **TERMINAL, cwd=str(folder.path))
    pid = seen(terminal, r"web\.1 started, pid (\d+)")
    log = folder.path / "log"
    until(lambda: log.exists() and "ready" in log.read_text(), "the child is ready")

    hang_up(terminal)

    until(lambda: not alive(pid), "the dyno is gone")
    assert "asked to stop" in log.read_text()
    terminal.wait()
    assert terminal.signalstatus == signal.SIGHUP


def hang_up(terminal: "pexpect.spawn[str]") -> None:
    """Close the terminal; pexpect's own close sends INT as well, and has no patience."""
    with open(os.devnull) as null:
        os.dup2(null.fileno(), terminal.child_fd)


def test_a_terminal_that_is_closed_during_a_stop_hastens_nothing(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "1", "0") + " > log")
    need_right("open a terminal")
    terminal = pexpect.spawn(PROCRUN[0], [*PROCRUN[1:], "start"], **TERMINAL, cwd=str(folder.path))
    pid = seen(terminal, r"web\.1 started, pid (\d+)")
    log = folder.path / "log"
    until(lambda: log.exists() and "ready" in log.read_text(), "the child is ready")
    terminal.sendintr()
    until(lambda: "asked to stop" in log.read_text(), "the stop has begun")

    hang_up(terminal)

    until(lambda: not alive(pid), "the dyno is gone")
    assert "bye" in log.read_text()
    terminal.wait()
    assert terminal.signalstatus == signal.SIGINT


def test_with_nohup_a_closed_terminal_changes_nothing(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(f"nohup {START} > log 2>&1 &")
    log = folder.path / "log"
    until(lambda: log.exists() and "ready pid" in log.read_text(), "the child is ready")
    found = re.search(r"ready pid=(\d+)", log.read_text())
    assert found is not None

    shell.close(force=True)

    assert folder.procrun("ps").returncode == 0
    assert alive(int(found[1]))
    assert folder.procrun("stop").returncode == 0
    assert "asked to stop" in log.read_text()


def test_tstp_to_procrun_alone_suspends_the_dynos_and_cont_continues_them(
    folder: Folder, shell: "pexpect.spawn[str]"
) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(f"{START} & front=$!")
    pid = seen(shell, r"ready pid=(\d+)")

    shell.sendline("kill -TSTP $front")
    until(lambda: state(pid) == "T", "the dyno stands still")

    shell.sendline("kill -CONT $front")
    until(lambda: state(pid) != "T", "the dyno goes on")
    shell.sendline("until jobs -r | grep -q .; do sleep 0.05; done")  # until bash knows it too: `wait` says 148 else
    shell.sendline("kill $front; wait $front; echo status $?")
    shell.expect("status 143")


def test_a_suspended_run_can_be_killed_as_a_job(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(START)
    shell.expect("ready")
    shell.send("\x1a")
    shell.expect("Stopped")

    shell.sendline("echo front $(jobs -p)")
    front = seen(shell, r"front (\d+)")

    shell.sendline("kill %1")

    shell.expect("asked to stop")
    until(lambda: not alive(front), "procrun has ended, too")


@pytest.mark.parametrize("line", ["make", f"sh -c '{START}; echo never'"])
def test_ctrl_c_to_what_runs_procrun_waits_for_the_whole_stop(
    folder: Folder, shell: "pexpect.spawn[str]", line: str
) -> None:
    """The terminal tells both; make passes INT on once more."""
    need("make")
    folder.procfile("web: " + child("polite.py", "1", "0"))
    folder.write("Makefile", f"run:\n\t@{START}\n")
    shell.sendline(line)
    shell.expect("ready")

    shell.sendintr()

    shell.expect(rf"web\.1 TERM 0\.00 → gone {A_SECOND} s \(exit 0\)")
    shell.expect("shell> $")
    assert "never" not in str(shell.before)


def test_below_timeout_everything_is_stopped_when_the_time_is_up(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0.5", "0"))

    run = folder.start(before=[need("timeout"), "600"])
    run.wait_for("ready")

    assert run.finish(signal.SIGALRM) == 124  # which tells `timeout` that the time is up
    assert re.search(r"web\.1 TERM 0\.00 → gone (?:0\.[4-9]|[1-9]\.\d)\d s \(exit 0\)", run.output)


def test_colour_is_on_in_a_terminal(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: echo hello")

    shell.sendline(START)

    shell.expect(r"\x1b\[[\d;]+m\d\d:\d\d:\d\d web\.1 +\| \x1b\[0mhello")
    shell.expect("shell> $")


def test_a_result_of_a_program_is_the_same_on_a_terminal(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    """node colours what it prints where FORCE_COLOR is set, though a shell reads it."""
    node = need("node")
    show = "console.log(JSON.stringify(process.env.PORT))"
    folder.procfile(f"web: PORT=$({node} -p '5000 + 1') exec {node} -e '{show}'")
    folder.write(".env", "NO_COLOR=1\n")

    shell.sendline(START)

    shell.expect(r'\| (\x1b\[0m)?"5001"\r\n')
    shell.expect("shell> $")
    assert "Warning" not in str(shell.before)


@pytest.mark.parametrize(
    ("env", "columns"),
    [
        ("", "unset"),
        ("FORCE_COLOR=1\n", "181"),  # of 200, without the prefix
        ("CLICOLOR_FORCE=1\n", "181"),
        ("FORCE_COLOR=0\n", "unset"),
        ("FORCE_COLOR=1\nNO_COLOR=1\n", "unset"),
        ("FORCE_COLOR=1\nNODE_DISABLE_COLORS=1\n", "unset"),
        ("FORCE_COLOR=1\nCOLUMNS=60\n", "60"),
    ],
)
def test_who_is_made_to_colour_is_told_how_wide_its_lines_may_be(
    folder: Folder, shell: "pexpect.spawn[str]", env: str, columns: str
) -> None:
    folder.procfile("web: echo columns ${COLUMNS-unset} end")
    folder.write(".env", env)

    shell.sendline(f"env -u COLUMNS {START} --no-colour")  # readline, which Python may have loaded, sets it

    shell.expect(rf"web\.1 +\| columns {columns} end\r\n")
    shell.expect("shell> $")


def test_a_prompt_stays_the_last_line_of_a_terminal(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    go = "while ! [ -e go ]; do sleep 0.05; done"
    folder.procfile(
        f"a: printf 'sure? '; {go}; echo yes; sleep 60",
        "b: while ! [ -e other ]; do sleep 0.05; done; echo other; sleep 60",
    )

    shell.sendline(START + " --no-colour")

    shell.expect(r"a\.1 +\| sure\? ")
    folder.write("other", "")
    shell.expect(r"\r\x1b\[K\d\d:\d\d:\d\d b\.1 +\| other\r\n\d\d:\d\d:\d\d a\.1 +\| sure\? ")
    folder.write("go", "")
    shell.expect("yes\r\n")
    assert not re.search("sure", str(shell.before))
    shell.sendintr()
    shell.expect("shell> $")


def test_of_two_prompts_neither_wipes_the_other_away(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile(
        "a: printf 'sure? '; sleep 60", "b: while ! [ -e go ]; do sleep 0.05; done; printf 'why? '; sleep 60"
    )

    shell.sendline(START + " --no-colour")

    shell.expect(r"a\.1 +\| sure\? ")
    folder.write("go", "")
    shell.expect(r"b\.1 +\| why\? ")
    assert re.fullmatch(r"\r\n\d\d:\d\d:\d\d ", str(shell.before))
    shell.sendintr()
    shell.expect("shell> $")


def test_a_prompt_whose_whole_line_is_not_chosen_stands_no_more(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    go = "while ! [ -e go ]; do sleep 0.05; done"
    folder.procfile(
        f"a: printf 'sure? '; {go}; echo yes; touch done; sleep 60", f"b: {go.replace('go', 'done')}; echo why?"
    )

    shell.sendline(START + " --no-colour --grep '[?] ?$'")

    shell.expect(r"a\.1 +\| sure\? ")
    folder.write("go", "")
    shell.expect(r"b\.1 +\| why\?\r\n")
    shell.expect("shell> $")
    assert "sure" not in str(shell.before)


def test_a_suspended_run_can_be_stopped_from_elsewhere(folder: Folder, shell: "pexpect.spawn[str]") -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    shell.sendline(START)
    shell.expect("ready")
    shell.send("\x1a")
    shell.expect("Stopped")
    shell.sendline("echo front $(jobs -p)")
    front = seen(shell, r"front (\d+)")

    assert folder.procrun("stop").returncode == 0

    until(lambda: not alive(front), "the shell can know it")
    shell.sendline("")
    shell.expect("Done")
