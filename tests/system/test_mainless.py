"""A process whose main thread has ended while another lives, which /proc shows as a zombie, is alive everywhere."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from procrun.chaos import faults
from procrun.system.linux import pipes, procfs, signals
from procrun.system.types import Stat
from tests.harness import A_SECOND, TERM, Folder, alive, child, kill_both, until

POLITE, DEAF = child("mainless.py"), child("mainless.py", "deaf")
READY = r"ready pid=(\d+)"


def shown_state(pid: int) -> str:
    """As the kernel shows it."""
    with open(f"/proc/{pid}/stat") as text:
        return text.read().rpartition(")")[2].split()[0]


def test_a_leader_hears_of_term_and_ends_in_its_own_way(folder: Folder) -> None:
    folder.procfile(f"web: {POLITE}")
    run = folder.start()
    pid = int(run.wait_for(READY)[1])
    assert shown_state(pid) == "Z"

    assert run.finish(TERM) == -TERM
    assert "asked to stop" in run.output
    assert re.search(r"web\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 3\)", run.output)


def test_a_deaf_leader_is_named_and_killed_at_the_budget(folder: Folder) -> None:
    folder.procfile(f"web: {DEAF}")
    run = folder.start("-t", "3")
    pid = int(run.wait_for(READY)[1])

    assert run.finish(TERM) == -TERM
    assert not alive(pid)
    assert re.search(rf"still waiting for web\.1: pid {pid} \(.*mainless\.py deaf\)", run.output)
    assert re.search(r"web\.1 TERM 0\.00 → KILL 3\.\d\d → gone", run.output)


def test_a_restart_starts_no_second_copy_beside_it(folder: Folder) -> None:
    folder.procfile(f"web: {DEAF}")
    run = folder.start("-t", "1")
    first = int(run.wait_for(READY)[1])

    result = folder.procrun("restart", "web")

    assert result.returncode == 0
    assert re.search(rf"{A_SECOND} s +web\.1 +KILL", result.stdout)
    assert not alive(first)
    assert alive(int(run.wait_for(READY, count=2)[1]))
    assert run.finish(TERM) == -TERM


def test_ps_shows_the_memory_it_has(folder: Folder) -> None:
    folder.procfile(f"web: {POLITE}")
    run = folder.start()
    run.wait_for(READY)

    assert re.search(r"web\.1 .* [1-9]\d*\.\d MB", folder.procrun("ps").stdout)
    assert run.finish(TERM) == -TERM


def test_what_a_leader_leaves_behind_is_stopped_though_it_looks_like_a_zombie(folder: Folder) -> None:
    folder.procfile(f"web: setsid {DEAF} & {POLITE}")
    run = folder.start("-t", "1")
    run.wait_for(READY, count=2)
    both = [int(pid) for pid in re.findall(READY, run.output)]

    assert run.finish(TERM) == -TERM
    assert not [pid for pid in both if alive(pid)]


def test_the_front_stops_it_when_the_supervisor_is_killed(folder: Folder) -> None:
    folder.procfile(f"web: {DEAF}")
    run = folder.start("-t", "1")
    pid = int(run.wait_for(READY)[1])

    os.kill(run.supervisor(), signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    assert not alive(pid)
    assert re.search(rf"stopping web\.1: pid {pid} \(.*mainless\.py deaf\)", run.output)


def test_the_doctor_finds_and_stops_what_is_left_of_a_killed_run(folder: Folder) -> None:
    folder.procfile(f"web: {POLITE}", f"worker: {DEAF}")
    run = folder.start("-t", "1")
    run.wait_for(READY, count=2)
    both = [int(pid) for pid in re.findall(READY, run.output)]
    kill_both(run)

    result = folder.procrun("doctor", "--clean")

    assert result.returncode == 0
    assert all(f" {pid} " in result.stdout for pid in both)
    assert not [pid for pid in both if alive(pid)]


@pytest.fixture
def mainless() -> Iterator[Stat]:
    command = DEAF.split()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "MINE": "1"}, cwd="/") as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        row = procfs.stat(popen.pid)
        assert row is not None
        yield row
        popen.kill()


def test_everything_that_it_has_is_seen(mainless: Stat) -> None:
    pid = mainless.pid
    assert mainless.alive
    assert not procfs.is_ending(mainless)
    assert pid in {row.pid for row in procfs.descendants(os.getpid(), procfs.snapshot())}
    assert procfs.title(pid).endswith("mainless.py deaf")
    assert procfs.mark(pid, "MINE") == "1"
    assert procfs.folder(pid) == "/"
    assert procfs.memory(pid) > 1_000_000
    assert procfs.held(pid) > 1_000_000
    assert procfs.peak_memory(pid) >= procfs.memory(pid)
    assert len(pipes.pipes_written(pid)) == 1
    assert pipes.output_pipe(pid, os.getpid()) is not None


def test_chaos_stops_it_and_sees_that_it_stands_still(mainless: Stat) -> None:
    signals.send(signal.SIGSTOP, mainless)
    until(lambda: faults.alive([mainless], "T"), "it stands still")

    signals.send(signal.SIGCONT, mainless)
    until(lambda: faults.alive([mainless], "S"), "it goes on")


def test_it_is_a_zombie_once_its_last_thread_has_ended() -> None:
    with subprocess.Popen(DEAF.split(), stdout=subprocess.PIPE) as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        popen.kill()

        until(lambda: (row := procfs.stat(popen.pid)) and not row.alive, "nothing of it lives")
