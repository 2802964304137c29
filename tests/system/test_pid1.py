"""procrun as pid 1 of a container, in a pid namespace of its own, and as pid 2 below an init."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness import INT, PROCRUN, TERM, Folder, Run, alive, child, until
from tests.programs import need, need_namespace

POLITE = child("polite.py", "0", "0")
UNTIL_GO = "while ! [ -e go ]; do sleep 0.05; done"


class Container:
    """A pid namespace with a /proc of its own; `line` is run by a shell that is pid 1."""

    def __init__(self, folder: Folder, line: str) -> None:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        unshare = need_namespace(*user, "--pid", "--fork", "--mount-proc", "--kill-child")
        pipe = subprocess.PIPE
        null = subprocess.DEVNULL
        command = [*unshare, "sh", "-c", line]
        popen = subprocess.Popen(command, cwd=folder.path, stdin=null, stdout=pipe, stderr=subprocess.STDOUT)
        self.run = Run(popen)
        folder.runs.append(self.run)

    @property
    def init(self) -> int:
        """Its pid 1, as it is numbered outside."""
        pid = self.run.pid
        found = Path(f"/proc/{pid}/task/{pid}/children")
        until(found.read_text, "unshare has forked")
        return int(found.read_text())

    def enter(self, line: str) -> None:
        """Run a line inside, as `docker exec` does: not below pid 1, but its orphans are."""
        # In a user namespace that another user has made setgroups(2) is refused: nsenter must not call it.
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        nsenter = [need("nsenter"), "--target", str(self.init), "--pid", "--mount", *user]
        subprocess.run([*nsenter, "sh", "-c", line], check=True, stdout=subprocess.DEVNULL)

    def finish(self, number: signal.Signals | None = None) -> int:
        """Its status, as `docker run` shows it, after a signal to its pid 1 as from `docker stop`."""
        if number is not None:
            os.kill(self.init, number)
        return self.run.finish()

    def zombies(self) -> list[str]:
        """The dead that pid 1 or the supervisor have not buried."""
        states = []
        for parent in (self.init, *_children(self.init)):
            states += [_state(pid) for pid in _children(parent)]
        return [state for state in states if state == "Z"]


def _children(pid: int) -> list[int]:
    try:
        return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def as_pid_1(folder: Folder, *options: str) -> Container:
    return Container(folder, f"exec {shlex.join([*PROCRUN, 'start', *options])}")


@pytest.mark.parametrize("number", [TERM, INT])
def test_docker_stop_stops_everything_and_sees_the_signal_in_the_status(folder: Folder, number: signal.Signals) -> None:
    folder.procfile(f"web: {POLITE}", "pid: echo the front is $(ps -o ppid= -p $PPID); sleep 60")
    container = as_pid_1(folder)
    container.run.wait_for("ready")
    container.run.wait_for("the front is +1$")

    assert container.finish(number) == 128 + number
    assert re.search(r"web\.1 TERM 0\.00 → gone 0\.\d\d s \(exit 0\)", container.run.output)


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -SEGV $$", 139)])
def test_the_status_of_a_process_is_that_of_the_container(folder: Folder, command: str, status: int) -> None:
    folder.procfile(f"web: {command}", "worker: sleep 60")

    assert as_pid_1(folder).finish() == status


def test_a_killed_supervisor_in_a_container_is_137_after_a_proper_stop(folder: Folder) -> None:
    folder.procfile(
        "web: " + child("escapes.py", "daemon"),
        "worker: trap 'touch asked; exit' TERM; echo ready; while :; do sleep 0.1; done",
    )
    container = as_pid_1(folder)
    container.run.wait_for("ready", count=2)

    os.kill(_children(container.init)[0], signal.SIGKILL)

    assert container.finish() == 137
    assert (folder.path / "asked").exists()
    assert container.run.output.count("TERM 0.00 → gone") == 2


def test_zombies_never_pile_up_whoever_their_parents_were(folder: Folder) -> None:
    """A dyno's daemons come to the supervisor, the orphans of `docker exec` to pid 1."""
    short = "for n in $(seq 50); do setsid true & done"
    folder.procfile(f"web: ({short}); echo spawned; sleep 60")
    container = as_pid_1(folder)
    container.run.wait_for("spawned")

    container.enter(short)

    until(lambda: not container.zombies(), "all are buried")
    assert container.finish(TERM) == 143


def test_what_docker_exec_left_is_no_concern_of_the_end(folder: Folder) -> None:
    """It was never procrun's: no TERM, no budget; the kernel ends it with its pid 1."""
    folder.procfile(f"web: echo ready; {UNTIL_GO}; exit 4")
    container = as_pid_1(folder)
    container.run.wait_for("ready")
    before = _children(container.init)
    container.enter("(trap '' TERM; echo $$ > other; exec setsid sleep 600) >&- 2>&- &")
    until(lambda: len(_children(container.init)) == 2, "pid 1 has adopted it")
    (other,) = set(_children(container.init)) - set(before)

    folder.write("go", "")

    assert container.finish() == 4
    assert not alive(other)
    assert "stopping" not in container.run.output.replace("ended the run", "")


def test_below_an_init_procrun_stops_and_ends_as_everywhere(folder: Folder) -> None:
    """`docker run --init`: tini passes TERM on, and its status is that of procrun."""
    folder.procfile(f"web: {POLITE}")
    container = Container(folder, f"exec {need('tini')} -- {shlex.join([*PROCRUN, 'start'])}")
    container.run.wait_for("ready")

    assert container.finish(TERM) == 143
    assert "asked to stop" in container.run.output


def test_below_an_init_the_kernel_ends_everything_with_a_killed_front(folder: Folder) -> None:
    """The init ends with the front, and the namespace with its init: nobody is left to stop anything."""
    folder.procfile(f"web: {POLITE}")
    container = Container(folder, f"exec {need('tini')} -- {shlex.join([*PROCRUN, 'start'])}")
    container.run.wait_for("ready")

    os.kill(_children(container.init)[0], signal.SIGKILL)

    assert container.finish() == 137
