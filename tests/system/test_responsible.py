"""A stop asks who is responsible, once, and nobody's work is cut by what happens to another process of the instance."""

import os
import re
import signal
import stat

import pytest

from tests.harness import PYTHON, TERM, Folder, Run, child, until
from tests.programs import leave_out, need, need_right

SAVER = child("saver.py")

SHELLS = ["dash", "bash", "busybox sh"]

RELAYS = {
    "it relays and ends": "trap 'kill -TERM $p' TERM; W & p=$!; wait",
    "it relays and waits": "trap 'kill -TERM $p; wait $p' TERM; W & p=$!; wait",
    "it relays another signal": "trap 'kill -QUIT $p; wait $p' TERM; W & p=$!; wait",
    "it relays to its group": "trap 'trap : TERM; kill 0; wait' TERM; W & wait",
    "it relays in a function": "end() { kill $p; }; trap end TERM; W & p=$!; wait",
    "it says something and ends": "trap 'echo bye; exit 0' TERM; W & wait",
    "it says something at its end": "trap 'echo bye' EXIT; W & wait",
    "it relays at its end": "trap 'kill $(jobs -p)' EXIT; W & wait",
    "it relays to its group at its end": "trap 'trap : TERM; kill 0' EXIT; W & wait",
    "it waits for one in front": "trap 'echo bye' TERM; W; echo after",
    "it relays to one in front": "trap 'kill 0' EXIT; W; echo after",
    "it has no trap": "W; echo after",
    "it has no trap, in the background": "W & wait",
    "it ignores it": "trap '' TERM; W & wait",
}
"""Shell lines, W being a worker."""


HELPED = """
import os, signal, subprocess, sys
number = int(sys.argv[1])
line = f"until [ -e asked ]; do sleep 0.05; done; sleep {sys.argv[2]}; exit 7"
helpers = [subprocess.Popen(["sh", "-c", line]), subprocess.Popen(["sh", "-c", line], start_new_session=True)]
def end(*_):
    os.write(1, b"asked\\n")
    open("asked", "w").close()
signal.signal(number, end)
print("w ready", flush=True)
print("helpers:", *(helper.wait() for helper in helpers), flush=True)
"""
"""A worker whose helpers, one of them in a session of its own, finish some time after it was asked to end."""


def the_shell(name: str) -> str:
    need(name.split()[0])
    return name


def script(folder: Folder, shell: str, text: str, name: str = "run.sh") -> str:
    """An executable script of `shell`."""
    path = folder.write(name, f"#!/usr/bin/env -S {the_shell(shell)}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"./{name}"


def asked(run: Run, name: str) -> list[tuple[str, int]]:
    """By which signals of whom a worker was asked to end."""
    return [(found[0], int(found[1])) for found in re.findall(rf"\b{name} asked (\w+) by (\d+)", run.output)]


def stop(run: Run, *names: str, number: int = TERM) -> int:
    """Stop the run once all these workers are ready; the pid of its supervisor."""
    for name in names:
        run.wait_for(rf"\b{name} ready")
    supervisor = run.supervisor()
    assert run.finish(number) == -number
    return supervisor


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line", RELAYS.values(), ids=RELAYS)
def test_a_worker_behind_a_shell_is_asked_once_whatever_the_shell_does(folder: Folder, shell: str, line: str) -> None:
    folder.procfile(f"w: {script(folder, shell, line.replace('W', f'{SAVER} a'))}")
    run = folder.start("-t", "20")
    until(lambda: "a ready" in run.output, "the worker is there")

    stop(run, "a")

    assert len(asked(run, "a")) == 1, run.output
    assert "a saved" in run.output
    if "-QUIT" in line:
        assert asked(run, "a")[0][0] == "QUIT"


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_trap_starts_is_left_to_it(folder: Folder, shell: str) -> None:
    line = "trap 'sleep 0.5; echo cleaned up; exit 0' TERM; echo s ready; while :; do sleep 0.1; done"
    folder.procfile(f"w: {script(folder, shell, line)}")
    run = folder.start("-t", "20")

    stop(run, "s")

    assert "cleaned up" in run.output


@pytest.mark.parametrize("shell", SHELLS)
def test_a_worker_that_prints_while_it_saves_keeps_its_reader(folder: Folder, shell: str) -> None:
    folder.procfile(f"w: {script(folder, shell, f'{SAVER} a 2>&1 | tee log')}")
    run = folder.start("-t", "20")

    supervisor = stop(run, "a")

    assert asked(run, "a") == [("TERM", supervisor)]
    assert "a saved" in (folder.path / "log").read_text()
    assert "a saved" in run.output


@pytest.mark.parametrize(
    "line",
    [
        "exec > >(tee log) 2>&1; W a",
        "exec > >(tee log) 2>&1; exec W a",
        "W a 2>&1 | sed -u s/x/y/ | tee log",
        "W a | while read -r line; do echo $line; echo $line >> log; done",
        "(W a; W b) 2>&1 | tee log",
        "trap 'echo bye' TERM; W a 2>&1 | tee log",
        "W a 2>&1 | tee log & wait",
    ],
)
def test_every_reader_of_a_worker_lives_until_the_worker_has_ended(folder: Folder, line: str) -> None:
    need("bash")
    folder.procfile(f"w: {script(folder, 'bash', line.replace('W', SAVER))}")
    run = folder.start("-t", "20")

    stop(run, "a")

    assert len(asked(run, "a")) == 1, run.output
    assert "a saved" in (folder.path / "log").read_text(), run.output


def test_a_reader_that_does_not_end_with_its_input_is_asked_when_its_writer_is_gone(folder: Folder) -> None:
    need("bash")
    reader = child("saver.py", "r")
    folder.procfile(f"w: {script(folder, 'bash', f'{SAVER} a | tee log | {reader}')}")
    run = folder.start("-t", "20")
    run.wait_for("r ready")
    until(lambda: "a ready" in (folder.path / "log").read_text(), "its writer is there")
    supervisor = run.supervisor()
    run.signal(TERM)
    run.wait_for("r asked")

    assert "a saved" in (folder.path / "log").read_text()
    assert run.finish() == -TERM
    assert asked(run, "r") == [("TERM", supervisor)]
    assert "r saved" in run.output


def test_a_helper_in_flight_is_left_to_the_worker_that_waits_for_it(folder: Folder) -> None:
    folder.write("worker.py", HELPED)
    folder.procfile(f"w: {PYTHON} worker.py 15 0.2")
    run = folder.start("-t", "20")

    stop(run, "w")

    assert len(re.findall(r"\| asked\r?$", run.output, re.MULTILINE)) == 1
    assert "helpers: 7 7" in run.output


def test_who_takes_its_handler_away_when_it_is_asked_still_answers_for_its_children(folder: Folder) -> None:
    folder.write(
        "worker.py",
        f"""
import signal, subprocess, sys
child = subprocess.Popen({[PYTHON, *SAVER.split()[1:], "a"]})
def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("asked", flush=True)
signal.signal(signal.SIGTERM, end)
import time
time.sleep(0.1)
print("w ready", flush=True)
deadline = time.monotonic() + 1
while time.monotonic() < deadline:
    time.sleep(0.05)
print("done", flush=True)
child.terminate()
child.wait()
""",
    )
    folder.procfile(f"w: {PYTHON} worker.py")
    run = folder.start("-t", "20")

    supervisor = stop(run, "w", "a")

    assert run.output.count("asked\n") == 1
    assert "done" in run.output
    assert [by for _, by in asked(run, "a")] != [supervisor]
    assert len(asked(run, "a")) == 1


STARTER = """
import signal, subprocess, sys, time
ENDING = [signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
line = "import signal,os,sys; signal.pthread_sigmask(signal.SIG_UNBLOCK,[15]); os.execv(sys.argv[1], sys.argv[1:])"
worker = subprocess.Popen([sys.executable, "-c", line, *sys.argv[1:]])
"""


def test_a_parent_that_is_about_to_catch_it_is_asked_alone(folder: Folder) -> None:
    """dramatiq takes jobs while it still blocks TERM."""
    more = """
while signal.SIGTERM not in signal.sigpending():
    time.sleep(0.02)
signal.signal(signal.SIGTERM, lambda *_: worker.terminate())
signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
worker.wait()
"""
    folder.write("worker.py", STARTER + more)
    folder.procfile(f"w: {PYTHON} worker.py {SAVER} a")
    run = folder.start("-t", "20")

    supervisor = stop(run, "a")

    assert len(asked(run, "a")) == 1
    assert asked(run, "a")[0][1] != supervisor
    assert "a saved" in run.output


def test_below_a_parent_that_goes_on_blocking_it_a_worker_is_asked(folder: Folder) -> None:
    folder.write("worker.py", STARTER + "worker.wait()\n")
    folder.procfile(f"w: {PYTHON} worker.py {SAVER} a")
    run = folder.start("-t", "20")

    supervisor = stop(run, "a")

    assert asked(run, "a") == [("TERM", supervisor)]
    assert "a saved" in run.output


WRAPPERS = [
    "dumb-init CHILD",
    "dumb-init -c CHILD",
    "tini -s -- CHILD",
    "tini -s -g -- CHILD",
    "catatonit -- CHILD",
    "timeout 3600 CHILD",
    "timeout --foreground 3600 CHILD",
    "busybox timeout 3600 CHILD",
    "parallel --ungroup ::: 'CHILD'",
    "script -qefc 'CHILD' /dev/null",
    "su root -c 'CHILD'",
    "runuser root -c 'CHILD'",
    "unshare --fork CHILD",
    "flock lock CHILD",
    "setsid --wait CHILD",
    "nice CHILD",
    "env A=1 CHILD",
    "xargs -a /dev/null CHILD",
]


KILL_AFTER_2_S = ("script ", "su ", "runuser ")


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_behind_a_wrapper_the_worker_is_told_once_and_its_helpers_are_not(folder: Folder, wrapper: str) -> None:
    """Many would send TERM to their whole group, or kill their child soon after it."""
    need(wrapper.split()[0])
    if wrapper.startswith(("su ", "runuser ")) and os.geteuid() != 0:
        leave_out(f"{wrapper.split()[0]} asks for a password")
    if wrapper.startswith("script "):
        need_right("open a terminal")
    folder.write("worker.py", HELPED)
    seconds = 2.5 if wrapper.startswith(KILL_AFTER_2_S) else 0.2
    folder.procfile("w: " + wrapper.replace("CHILD", f"{PYTHON} worker.py 15 {seconds}"))
    run = folder.start("-t", "20")

    stop(run, "w")

    assert len(re.findall(r"\| asked\r?$", run.output, re.MULTILINE)) == 1
    assert "helpers: 7 7" in run.output


def test_the_worker_behind_one_that_dies_without_a_word_is_asked(folder: Folder) -> None:
    folder.write("outer.py", f"import subprocess\nsubprocess.run({[PYTHON, *SAVER.split()[1:], 'a']})\n")
    folder.procfile(f"w: {PYTHON} outer.py")
    run = folder.start("-t", "20")

    supervisor = stop(run, "a")

    assert asked(run, "a") == [("TERM", supervisor)]
    assert "a saved" in run.output


def test_an_orphan_is_asked_though_the_leader_lives(folder: Folder) -> None:
    """Its parent, which answered for it, ends without having told it; of that death procrun gets no SIGCHLD."""
    middle = folder.write(
        "middle.py",
        f"""
import os, signal, subprocess, sys
child = subprocess.Popen({[PYTHON, *SAVER.split()[1:], "a"]})
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("m ready", flush=True)
while True:
    signal.pause()
""",
    )
    folder.write(
        "leader.py",
        f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.run({[PYTHON, str(middle)]})
import time
while True:
    time.sleep(1)
""",
    )
    folder.procfile(f"w: {PYTHON} leader.py")
    run = folder.start("-t", "3")
    run.wait_for("m ready")
    run.wait_for("a ready")
    supervisor = run.supervisor()
    run.signal(TERM)

    run.wait_for("a saved")

    assert asked(run, "a") == [("TERM", supervisor)]
    run.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_the_rule_holds_for_every_signal_that_ends(folder: Folder, number: int) -> None:
    name = signal.Signals(number).name.removeprefix("SIG").lower()
    folder.write("procrun.toml", f'platform = "server"\n[process.w]\nstop_sequence = "{name}, 20, kill"\n')
    folder.write("worker.py", HELPED)
    folder.procfile(f"w: {PYTHON} worker.py {number:d} 0.2")
    run = folder.start()

    stop(run, "w")

    assert len(re.findall(r"\| asked\r?$", run.output, re.MULTILINE)) == 1
    assert "helpers: 7 7" in run.output


def test_on_heroku_every_process_is_asked(folder: Folder) -> None:
    folder.write("outer.py", f"import subprocess\nsubprocess.run({[PYTHON, *SAVER.split()[1:], 'a']})\n")
    folder.write("catches.py", "import signal\nsignal.signal(signal.SIGTERM, lambda *_: None)\nimport outer\n")
    folder.procfile(f"w: {PYTHON} catches.py")
    run = folder.start("--platform", "heroku")

    supervisor = stop(run, "a")

    assert asked(run, "a") == [("TERM", supervisor)]


def test_a_supervisor_that_is_killed_leaves_the_same_rule_to_the_front(folder: Folder) -> None:
    relay = "trap 'kill -TERM $p' TERM; W b & p=$!; wait"
    folder.procfile(
        f"w: {script(folder, 'dash', f'{SAVER} a 2>&1 | tee log')}",
        f"x: {script(folder, 'dash', relay.replace('W', SAVER), 'relay.sh')}",
    )
    run = folder.start("-t", "20")
    run.wait_for("a ready")
    run.wait_for("b ready")
    pid = int(re.search(r"b ready (\d+)", run.output)[1])  # type: ignore[index]
    os.kill(run.supervisor(), signal.SIGKILL)

    assert run.finish() == 137
    log = (folder.path / "log").read_text()
    assert log.count("asked TERM") == 1
    assert "a saved" in log
    assert pid > 0
