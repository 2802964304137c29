"""No survivors: whatever way a process takes out of its instance, a restart and a stop end it, and nobody else's."""

import fcntl
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from procrun.system.linux import procfs, signals
from procrun.system.signalling import Volley
from tests.harness import PYTHON, TERM, Folder, Run, alive, child, free_base, until
from tests.programs import need, need_right

ESCAPES = child("escapes.py")


class Generation:
    """One start of one instance with everything that came of it."""

    def __init__(self, folder: Folder, run: Run, name: str, count: int = 1) -> None:
        found = run.wait_for(rf"{re.escape(name)} +\| ready (members/\S+)", count)
        self.file = folder.path / found[1]

    def pids(self) -> list[int]:
        """Those that noted themselves."""
        return [int(pid) for pid in self.file.read_text().split()]

    def gone(self) -> bool:
        """Whether nobody holds the lock that all of them hold."""
        with self.file.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


def _restart_one_of_two(folder: Folder, way: str, budget: str = "0.5") -> Run:
    """Restart web.1, then stop the run: what is gone, and what is not, after each."""
    folder.procfile(f"web: {ESCAPES} {way}")
    # The bombs' limit counts all of a user's processes, whose number is made of the port: nobody else's.
    run = folder.start("-c", "web=2", "-t", budget, "-p", str(free_base()))
    first, sibling = Generation(folder, run, "web.1"), Generation(folder, run, "web.2")
    untouched = {pid: procfs.stat(pid) for pid in sibling.pids()}

    result = folder.procrun("restart", "web.1")

    assert result.returncode == 0, result.stdout + result.stderr
    assert first.gone()
    assert not sibling.gone()
    if "chain" not in way:  # whose first links end by themselves
        assert [pid for pid, row in untouched.items() if row is None or not signals.send(0, row)] == []
    second = Generation(folder, run, "web.1", 2)
    assert run.finish(TERM) == -TERM
    assert second.gone()
    assert sibling.gone()
    return run


@pytest.mark.parametrize("way", ["daemon", "session", "nohup", "stopped", "subreaper", "tracer", "renamed"])
def test_what_gets_away_ends_at_term_with_its_instance_and_no_others(folder: Folder, way: str) -> None:
    run = _restart_one_of_two(folder, way, "20")

    assert "→ KILL" not in run.output


@pytest.mark.parametrize("way", ["deaf", "vfork", "pipe"])
def test_what_is_deaf_to_term_ends_at_the_budget_and_is_named(folder: Folder, way: str) -> None:
    run = _restart_one_of_two(folder, way)

    assert re.search(r"web\.1 beyond its leader has to be killed: pid \d+ \(.*escapes\.py", run.output)
    half = r"(?:0\.[5-9]|[1-9]\.\d)\d"
    assert re.search(rf"web\.1 TERM 0\.00 → KILL {half} → gone {half} s", run.output)


@pytest.mark.parametrize("way", ["bomb", "bomb-sessions"])
def test_a_fork_bomb_that_is_held_to_a_limit_ends(folder: Folder, way: str) -> None:
    need_right("become another user")
    run = _restart_one_of_two(folder, way)

    assert re.search(r"has to be killed: pid \d+ \(.*\), pid \d+ \(.*\), pid \d+ \(.*\) and \d+ more", run.output)


@pytest.mark.parametrize("way", ["chain", "fast-chain"])
def test_a_daemon_that_is_another_process_every_few_milliseconds_ends(folder: Folder, way: str) -> None:
    """And it is never taken for gone while it is between two of them.

    When all is stopped nobody asks whose it is: the KILL of one instance may end that of the other at the same moment.
    """
    run = _restart_one_of_two(folder, way)

    ends = re.findall(r"web\.\d TERM 0\.00 → (KILL \d\.\d\d → )?gone (\d\.\d\d) s", run.output)
    assert len(ends) == 3
    assert all(float(seconds) >= 0.5 for _, seconds in ends)
    assert ends[0][0] and (ends[1][0] or ends[2][0])


def test_a_daemonised_redis_ends_with_the_only_instance_there_is(folder: Folder) -> None:
    """It has written its title over its mark: measured."""
    need("redis-server")
    folder.procfile(f"web: {ESCAPES} redis")
    run = folder.start("-t", "5")
    first = Generation(folder, run, "web.1")

    assert folder.procrun("restart", "web.1").returncode == 0

    assert first.gone()
    assert run.finish(TERM) == -TERM
    assert "→ KILL" not in run.output


def test_a_daemonised_redis_of_several_instances_is_named_and_ends_by_term_after_them(folder: Folder) -> None:
    """Whose it is cannot be told. At the end of the run it gets a stop of its own, and can save.

    No web process: one is looked at until it listens, and what is seen then is known to be its own.
    """
    need("redis-server")
    folder.procfile(f"job: {ESCAPES} redis")
    run = folder.start("-c", "job=2", "-t", "5")
    generations = [Generation(folder, run, "job.1"), Generation(folder, run, "job.2")]

    assert folder.procrun("restart", "job.1").returncode == 0

    assert re.search(
        r"cannot be told, they end with the run: pid \d+ \(redis-server.*\), pid \d+ \(redis-server", run.output
    )
    generations.append(Generation(folder, run, "job.1", 2))
    assert run.finish(TERM) == -TERM
    assert len(re.findall(r"redis \(a daemon\) TERM 0\.00 → gone \d", run.output)) == 3
    assert all(generation.gone() for generation in generations)


def test_what_a_leader_leaves_behind_is_named(folder: Folder) -> None:
    there = 'until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done'  # before, it has the shell's name
    folder.procfile(f"web: for n in 1 2 3 4 5; do sleep 60$n & {there}; done; exit 3")
    run = folder.start()

    assert run.finish() == 3
    named = r"pid \d+ \(sleep 60\d\), pid \d+ \(sleep 60\d\), pid \d+ \(sleep 60\d\) and 2 more"
    assert re.search(rf"web\.1 left behind by its leader: {named}", run.output)
    assert re.search(r"web\.1 TERM 0\.00 → gone \d\.\d\d s \(exit 3\)", run.output)


def test_what_ends_while_it_is_named_is_said_to_have_ended() -> None:
    with subprocess.Popen(["sleep", "1000"]) as popen:
        row = procfs.stat(popen.pid)
        assert row is not None
        popen.kill()
        until(lambda: f"pid {row.pid} (sleep)" in procfs.named([row]), "a zombie, which has its name alone")
        popen.wait()

        assert procfs.named([row]) == f"pid {row.pid} (ended)"


@pytest.mark.parametrize("killed", [False, True])
def test_another_users_process_is_named_once_and_not_waited_for(folder: Folder, killed: bool) -> None:
    """As with `sudo`; here root without CAP_KILL (capabilities(7)), which is the same to a process of nobody's."""
    need_right("become another user")
    folder.procfile("web: setpriv --reuid 65534 sh -c 'echo other $$; exec sleep 600'; true", "worker: sleep 600")
    run = folder.start("-t", "60", before=[need("setpriv"), "--bounding-set", "-kill", "--inh-caps", "-kill"])
    other = int(run.wait_for(r"other (\d+)")[1])
    until(lambda: Path(f"/proc/{other}/comm").read_text() == "sleep\n", "sleep takes the place of sh")

    if killed:
        os.kill(int(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text()), signal.SIGKILL)
    else:
        run.signal(TERM)

    try:
        assert run.popen.wait(30) == (137 if killed else -TERM)
        assert alive(other)
    finally:
        os.kill(other, signal.SIGKILL)
    run.finish()
    assert len(re.findall(rf"pid {other} \(sleep 600\) is another user's", run.output)) == 1


def test_the_children_of_another_command_of_the_shell_are_none_of_ours(folder: Folder) -> None:
    """`cron & exec procrun start`: it is a child of procrun, which has not started it."""
    folder.procfile("web: exit 0")
    other = "sleep 600 >&- 2>&- & echo $! other"
    line = f"{other}; setsid {other}; exec {PYTHON} -m procrun start"
    pipe = subprocess.PIPE
    popen = subprocess.Popen(
        ["bash", "-c", line], cwd=folder.path, stdout=pipe, stderr=subprocess.STDOUT, start_new_session=True
    )
    run = Run(popen)
    run.wait_for("other", count=2)
    others = [int(pid) for pid in re.findall(r"(\d+) other", run.output)]
    try:
        assert run.finish() == 0
        assert all(alive(pid) for pid in others)
        assert not re.search("supervisor|all instances", run.output)
    finally:
        for pid in others:
            os.kill(pid, signal.SIGKILL)


def test_a_pid_that_was_given_to_another_process_is_not_signalled() -> None:
    """The kernel gives a pid again: only the start time tells them apart."""
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    row = procfs.stat(stranger.pid)
    assert row is not None
    before = row._replace(started=row.started - 1)
    refused: list[object] = []
    volley = Volley(refused.append)

    assert not signals.send(signal.SIGKILL, before)
    assert volley.fire(signal.SIGKILL, row.pid, [before]) == 0
    volley.again(signal.SIGTERM, [before])
    volley.aim(signal.SIGUSR1, row.pid, [before])

    assert stranger.poll() is None
    assert signals.send(signal.SIGTERM, row)  # and TERM is the first that it gets
    assert stranger.wait() == -TERM
    assert refused == []
