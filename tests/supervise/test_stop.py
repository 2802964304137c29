"""Stopping: TERM to the whole session, KILL at exactly the budget, nothing survives, and the report says so."""

import os
import re
import signal
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from procrun.run.reporter import REMIND_AFTER
from tests.harness import A_SECOND, HUP, INT, PROCRUN, PYTHON, QUIT, TERM, Folder, Run, alive, child, until

IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def moments(path: Path) -> dict[str, list[float]]:
    """What stubborn.py wrote, by word: moments on the monotonic clock."""
    found: dict[str, list[float]] = {}
    for line in path.read_text().splitlines():
        word, _, moment = line.partition(" ")
        found.setdefault(word, []).append(float(moment))
    return found


@pytest.mark.parametrize("number", [INT, TERM, HUP, QUIT])
def test_a_signal_to_procrun_stops_everything_and_procrun_dies_of_it(folder: Folder, number: signal.Signals) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready", count=2)

    assert run.finish(number) == -number
    assert run.output.count("asked to stop") == 2
    assert re.search(rf"{number.name} received; stopping web\.1, worker\.1: TERM now, KILL after 10 s", run.output)


def test_a_signal_to_the_supervisor_does_the_same(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, TERM)

    assert run.finish() == -TERM
    assert "asked to stop" in run.output


def test_hangups_that_nohup_had_ignored_stay_ignored(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    before = signal.signal(HUP, signal.SIG_IGN)
    try:
        run = folder.start()
    finally:
        signal.signal(HUP, before)
    run.wait_for("ready")

    run.signal(HUP)
    run.signal(signal.SIGUSR1)
    run.wait_for("USR1 is not passed on")  # HUP was sent before it, and did nothing

    assert run.finish(TERM) == -TERM


def test_a_stop_waits_for_those_who_take_their_time(folder: Folder) -> None:
    folder.procfile("worker: " + child("polite.py", "1.0", "0"))
    run = folder.start()
    run.wait_for("ready")

    run.finish(TERM)

    assert re.search(r"worker\.1 +\| bye", run.output)
    assert re.search(rf"worker\.1 TERM 0\.00 → gone {A_SECOND} s \(exit 0\)", run.output)


def killed_at(run: Run, name: str) -> float:
    """Seconds from TERM to KILL in procrun's own report."""
    return float(run.wait_for(rf"{re.escape(name)} TERM 0\.00 → KILL (\d+\.\d\d) → gone")[1])


@pytest.mark.parametrize(("options", "budget"), [(("-t", "2"), 2.0), ((), 10.0)])
def test_kill_comes_at_the_budget_and_never_before_while_another_floods(
    folder: Folder, options: tuple[str, ...], budget: float
) -> None:
    folder.procfile("worker: " + child("stubborn.py", "notes"), "noise: " + child("flood.py"))
    run = folder.start(*options, dropping="flood [0-9]*[1-9] ")
    run.wait_for("ready")
    run.wait_for("flood 000000")

    assert run.finish(TERM) == -TERM

    noted = moments(folder.path / "notes")
    lived = noted["alive"][-1] - noted["TERM"][0]
    assert budget - 0.5 < lived < budget + 3  # it may have noted TERM late
    assert budget <= killed_at(run, "worker.1") < budget + 3


def test_a_process_that_needs_kill_is_reported_in_herokus_words(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "0.5")
    run.wait_for("ready")

    run.finish(TERM)

    words = r"Error R12 \(Exit timeout\) -> At least one process failed to exit within (0\.[5-9]|\d) seconds of SIGTERM"
    assert re.search(words, run.output)
    assert re.search(r"worker\.1: killed by KILL, .* forced kills 1", run.output)


def test_all_stubborn_ones_share_one_budget(folder: Folder) -> None:
    folder.procfile(*(f"p{n}: {IGNORES_TERM}" for n in range(5)))
    run = folder.start("-t", "1")
    run.wait_for("ready", count=5)

    run.finish(TERM)

    assert all(1 <= killed_at(run, f"p{n}.1") < 4 for n in range(5))


def test_whoever_is_waited_for_is_named(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "3")
    run.wait_for("ready")

    run.signal(TERM)

    run.wait_for(r"still waiting for worker\.1: pid \d+ \(/bin/sh -c trap.*; KILL (?:in 1 s|now)")
    run.finish()


def test_who_has_ended_at_that_moment_is_not_waited_for(folder: Folder) -> None:
    folder.procfile(f"worker: {child('stubborn.py', 'moments')}")
    run = folder.start("-t", "30")
    run.wait_for("ready")
    pid = int(run.wait_for(r"worker\.1 started, pid (\d+)")[1])
    restart = folder.background("restart", "worker")
    until(lambda: "TERM" in moments(folder.path / "moments"), "it is being stopped")
    due = monotonic() + REMIND_AFTER

    os.kill(run.supervisor(), signal.SIGSTOP)  # the reminder and the end are both there when it goes on
    os.kill(pid, signal.SIGKILL)
    until(lambda: monotonic() > due, "it is time for the reminder")
    os.kill(run.supervisor(), signal.SIGCONT)

    next_pid = int(run.wait_for(r"worker\.1 started, pid (\d+)", count=2)[1])
    assert "still waiting" not in run.output
    assert "worker.1    running" in restart.communicate()[0]
    os.kill(next_pid, signal.SIGKILL)
    run.finish()


def test_a_second_ctrl_c_goes_on_to_kill(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "60")
    run.wait_for("ready")
    run.signal(INT)
    run.wait_for("still waiting for")

    run.signal(INT)

    assert run.finish() == -INT
    assert "Ctrl-C again: the next step now" in run.output
    assert "R12" not in run.output


def test_an_echo_of_the_first_ctrl_c_is_no_second_one(folder: Folder) -> None:
    """npm and make pass INT on although the terminal has sent it already."""
    folder.procfile("worker: " + child("polite.py", "1", "0"))
    run = folder.start()
    run.wait_for("ready")

    run.signal(INT)
    until(lambda: not pending(run.pid, INT), "it has come")  # its echo must not be long in coming
    run.signal(INT)

    run.finish()
    assert re.search(rf"worker\.1 TERM 0\.00 → gone {A_SECOND} s \(exit 0\)", run.output)


def pending(pid: int, number: int) -> bool:
    """Whether a signal to a process waits to be taken."""
    found = re.search(r"ShdPnd:\s+([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return bool(int(found[1], 16) & 1 << (number - 1))


@pytest.mark.parametrize("number", [TERM, HUP, QUIT])
def test_a_further_signal_but_ctrl_c_does_not_hasten_anything(folder: Folder, number: signal.Signals) -> None:
    folder.procfile("worker: " + child("polite.py", "1", "0"))
    run = folder.start()
    run.wait_for("ready")
    run.signal(TERM)
    run.wait_for("asked to stop")

    run.signal(number)

    run.finish()
    assert re.search(rf"worker\.1 TERM 0\.00 → gone {A_SECOND} s \(exit 0\)", run.output)


def test_a_stopped_process_is_continued_so_that_it_can_die(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start("-t", "60")
    pid = int(run.wait_for(r"ready pid=(\d+)")[1])
    os.kill(pid, signal.SIGSTOP)

    run.finish(TERM)

    assert re.search(r"web\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 0\)", run.output)


def test_term_reaches_every_process_of_the_session(folder: Folder) -> None:
    """Also one in a process group of its own, as a shell's job or rq's work horse is."""
    polite = child("polite.py", "0", "0")
    folder.procfile(f"web: setsid -w true; set -m; {polite} & {polite} & wait; wait")
    run = folder.start()
    run.wait_for("ready", count=2)

    run.finish(TERM)

    assert run.output.count("asked to stop") == 2


def test_children_that_outlive_their_leader_get_the_stop_sequence(folder: Folder) -> None:
    deaf = IGNORES_TERM.replace("ready", "ready >deaf")
    folder.procfile(f"web: ({deaf}) & until [ -e deaf ]; do sleep 0.05; done; exit 5", "other: sleep 60")
    run = folder.start("-t", "1")

    assert run.finish() == 5
    assert re.search(r"web\.1 ended by itself after .* exit 5", run.output)
    assert re.search(r"web\.1 TERM 0\.00 → KILL [1-9]\.\d\d → gone", run.output)


def test_a_daemon_that_left_its_session_is_killed_too(folder: Folder) -> None:
    folder.procfile("web: (setsid sh -c 'trap \"\" TERM; echo daemon $$; exec sleep 600' &) ; sleep 0.2; exec sleep 60")
    run = folder.start("-t", "1")
    daemon = int(run.wait_for(r"daemon (\d+)")[1])
    run.wait_for(r"started")

    run.finish(TERM)

    assert not alive(daemon)


def test_when_the_supervisor_is_killed_the_front_stops_everything(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "1")
    run.wait_for("ready", count=2)
    pids = [int(pid) for pid in re.findall(r"started, pid (\d+)", run.output)]
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    assert run.finish() == 137
    assert "the supervisor ended (killed by KILL); stopping " in run.output
    assert re.search(r"worker\.1 TERM 0\.00 → KILL [1-9]\.\d\d → gone [1-9]\.\d\d s", run.output)
    assert not any(alive(pid) for pid in pids)


def test_when_the_front_is_killed_the_supervisor_stops_everything(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "1")
    run.wait_for("ready", count=2)
    pids = [int(pid) for pid in re.findall(r"started, pid (\d+)", run.output)]

    run.signal(signal.SIGKILL)

    run.wait_for("the front process is gone; stopping web.1, worker.1")
    run.wait_for(r"worker\.1 TERM 0\.00 → KILL [1-9]\.\d\d → gone")
    run.wait_for(r"web\.1 TERM 0\.00 → gone")
    assert not any(alive(pid) for pid in pids)
    until(lambda: not list((folder.path / ".procrun").glob("*.sock")), "the supervisor takes its socket away")


def test_procrun_stop_ends_the_run_with_status_0(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0.3", "0"))
    run = folder.start()
    run.wait_for("ready")

    result = folder.procrun("stop")

    assert result.returncode == 0
    assert re.search(r"\d\.\d\d s  web\.1 +gone \d\.\d\d s after its first signal", result.stdout)
    assert run.popen.poll() == 0 or run.finish() == 0
    assert "`procrun stop` was called; stopping web.1" in run.output


def test_a_stopped_instance_stays_down_and_the_run_goes_on(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready", count=2)

    assert folder.procrun("stop", "web", "worker").returncode == 0

    states = re.findall(r"^(\S+) +down", folder.procrun("ps").stdout, re.MULTILINE)
    assert states == ["web.1", "worker.1"]
    assert folder.procrun("start", "worker").returncode == 0
    run.wait_for(r"worker\.1 +\| ready", count=2)
    run.finish(TERM)


def test_ctrl_c_while_a_crash_ends_the_run_does_not_kill_the_others(folder: Folder) -> None:
    crash = "until [ -e crash ]; do sleep 0.05; done; exit 4"
    folder.procfile(f"web: {crash}", "worker: " + child("polite.py", "1.5", "0"))
    run = folder.start()
    run.wait_for("ready")
    folder.write("crash", "")
    run.wait_for("asked to stop")

    run.signal(INT)

    assert run.finish() == 4
    assert "everything is being stopped already; Ctrl-C again goes on to the next step" in run.output
    assert re.search(rf"worker\.1 TERM 0\.00 → gone {A_SECOND} s \(exit 0\)", run.output)


def test_when_the_supervisor_is_killed_a_worker_can_still_say_and_do_what_it_must(folder: Folder) -> None:
    """Nobody else reads its pipe any more: SIGPIPE would end it before its jobs are saved."""
    folder.procfile(
        "worker: trap 'sleep 0.3; echo saving; echo saved > saved; exit 0' TERM; echo ready; sleep 60 & wait"
    )
    run = folder.start()
    run.wait_for("ready")
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    run.finish()
    assert (folder.path / "saved").read_text() == "saved\n"


def test_an_orphan_of_a_leader_that_ends_at_once_is_stopped_with_it(folder: Folder) -> None:
    folder.procfile("web: setsid sleep 600 & exit 0")

    run = folder.start("-t", "2")

    assert run.finish() == 0
    assert re.search(r"web\.1 TERM 0\.00 → gone ", run.output)
    assert "the supervisor ended" not in run.output


def test_a_daemon_forked_behind_the_back_of_a_look_cannot_hold_up_the_end(folder: Folder) -> None:
    """A double fork, each within a millisecond of the other: one look at /proc can miss its last process."""
    daemon = folder.write(
        "daemon.py",
        "import os, time\n"
        "for _ in range(2):\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); time.sleep(0.0009)\n"
        "time.sleep(600)\n",
    )
    folder.procfile(f"web: {PYTHON} {daemon}")

    for _ in range(8):
        run = folder.start("-t", "5")

        assert run.finish() == 0
        assert "forced kills 0" in run.output


def test_children_forked_around_term_hear_it(folder: Folder) -> None:
    """TERM goes to whole process groups, so that nobody can be forked past it."""
    forks = folder.write(
        "forks.py",
        "import os, signal, time\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    if os.fork() == 0: time.sleep(600)\n"
        "    time.sleep(0.003)\n",
    )
    folder.procfile(f"web: {PYTHON} {forks}")

    for _ in range(3):
        run = folder.start("-t", "10")
        run.wait_for("ready")
        run.finish(TERM)

        assert "forced kills 0" in run.output


def test_what_a_term_handler_starts_is_spared(folder: Folder) -> None:
    """`trap 'curl …/deregister' TERM`: the helper is of the same group, and TERM goes to a group once."""
    folder.procfile("web: trap 'sleep 0.5; touch helped; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    run = folder.start()
    run.wait_for("ready")

    run.finish(TERM)

    assert (folder.path / "helped").exists()


def test_a_signal_before_anything_is_read_ends_procrun(folder: Folder) -> None:
    reader, writer = os.pipe()
    popen = subprocess.Popen([*PROCRUN, "start", "-f", "-"], cwd=folder.path, stdin=reader)
    os.close(reader)
    until(lambda: Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text(), "the supervisor is forked")

    popen.send_signal(TERM)

    assert popen.wait(30) == -TERM
    os.close(writer)


def test_procrun_with_sigchld_blocked_by_its_parent_still_reaps(folder: Folder) -> None:
    folder.procfile("web: exit 3")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        run = folder.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    assert run.finish() == 3


def test_nobody_reading_stderr_does_not_keep_the_front_from_stopping_what_is_left(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0") + " > log 2>&1")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    popen = subprocess.Popen([*PROCRUN, "start"], cwd=folder.path, stdout=subprocess.DEVNULL, stderr=writer)
    log = folder.path / "log"
    until(lambda: log.exists() and "ready" in log.read_text(), "the child is ready")
    supervisor = int(Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    assert popen.wait(30) == 137
    assert "asked to stop" in log.read_text()
    os.close(reader)
    os.close(writer)


def test_the_front_does_not_read_what_a_pipe_of_the_app_carries(folder: Folder) -> None:
    """`a | b` has its own reader; only what nobody reads any more is read when the supervisor is dead."""
    consume = "while read n; do sleep 0.005; echo $n >> consumed; done; touch drained"
    folder.procfile(
        f"web: (trap 'exit 0' TERM; seq 1 200; echo ready >&2; sleep 60 & wait) | (trap '' TERM; {consume})"
    )
    run = folder.start("-t", "60")
    run.wait_for("ready")
    supervisor = int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())

    os.kill(supervisor, signal.SIGKILL)

    run.finish()
    assert (folder.path / "consumed").read_text().split() == [str(n) for n in range(1, 201)]


def test_a_ctrl_c_that_is_hammered_goes_on_too(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    run = folder.start("-t", "60")
    run.wait_for("ready")

    def hammered() -> bool:
        run.signal(INT)
        return "Ctrl-C again" in run.output

    until(hammered, "a further Ctrl-C is obeyed")

    assert run.finish() == -INT
    assert re.search(r"worker\.1 TERM 0\.00 → KILL \d\.", run.output)


def test_what_may_not_be_killed_is_named_and_outlives_the_run(folder: Folder) -> None:
    folder.procfile(f"worker: {IGNORES_TERM}")
    folder.write("procrun.toml", 'platform = "server"\n[process.worker]\nstop_sequence = "term, 0.2"\nno_kill = true\n')
    run = folder.start()
    run.wait_for("ready")
    worker = int(run.wait_for(r"worker\.1 started, pid (\d+)")[1])

    assert run.finish(TERM) == -TERM
    assert re.search(rf"worker\.1 is not waited for: pid {worker} .* is still there", run.output)
    assert alive(worker)
    os.killpg(worker, signal.SIGKILL)
    until(lambda: not alive(worker), "it is gone")
