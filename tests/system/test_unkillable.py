"""What outlives KILL, since it waits for a disk in state D, is given up once, named, and seen in the exit status."""

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.disks import FrozenDisk, frozen_disk
from tests.harness import TERM, Folder, Run, alive, states, until

__all__ = ["frozen_disk"]

GIVEN_UP = r"web\.1 TERM 0\.00 → KILL 0\.[5-9]\d → given up [5-9]\.\d\d s"
TOLD = r"pid {} \(.*\) outlives KILL: it waits for a disk or a device \(state D\)"


class Stuck:
    """A run whose `web` writes to a disk that stands still; only its first start does."""

    def __init__(self, folder: Folder, disk: FrozenDisk) -> None:
        self.folder, self.disk = folder, disk

    def start(self, *arguments: str) -> Run:
        once = f"[ -e went ] || {{ until [ -e go ]; do sleep 0.05; done; echo > went; echo > {self.disk.path}/file; }}"
        self.folder.procfile(f"web: echo ready; {once}; sleep 600", "worker: echo ready; sleep 600")
        run = self.folder.start("-t", "0.5", *arguments)
        run.wait_for("ready", count=2)
        self.pid = int(run.wait_for(r"web\.1 started, pid (\d+)")[1])
        self.disk.hang()
        self.folder.write("go", "")
        until(lambda: states(self.pid) == ["D"], "it writes")
        return run


@pytest.fixture
def stuck(folder: Folder, frozen_disk: FrozenDisk) -> Iterator[Stuck]:
    made = Stuck(folder, frozen_disk)
    yield made
    frozen_disk.go_on()
    until(lambda: not alive(made.pid), "it dies of the KILL that it has had")


def test_stop_ends_after_one_try_and_says_what_lives(stuck: Stuck) -> None:
    run = stuck.start()

    result = stuck.folder.procrun("stop")

    assert result.returncode == 1
    assert re.search(TOLD.format(stuck.pid), result.stdout)
    assert result.stderr == "procrun: could not be stopped, and something of it is still alive: web.1\n"
    assert run.finish() == 124
    assert re.search(rf"{GIVEN_UP} \(still alive\)", run.output)
    assert re.search(r"web\.1: still alive, ran", run.output)
    assert re.search(rf"procrun +\| still alive: pid {stuck.pid} ", run.output)
    assert "all instances are down" not in run.output and "everything is gone" not in run.output
    assert alive(stuck.pid)


def test_a_restart_starts_it_anew_and_a_later_stop_does_not_wait_for_the_old_one(stuck: Stuck) -> None:
    run = stuck.start()

    assert stuck.folder.procrun("restart", "web").returncode == 0
    run.wait_for("ready", count=3)

    assert run.finish(TERM) == 124
    assert len(re.findall(GIVEN_UP, run.output)) == 1
    assert re.search(r"web\.1 TERM 0\.00 → gone 0\.\d\d s \(killed by TERM\)", run.output)
    assert re.search(rf"procrun +\| still alive: pid {stuck.pid} ", run.output)


def test_the_front_gives_it_up_after_one_try(stuck: Stuck) -> None:
    run = stuck.start()

    os.kill(run.supervisor(), signal.SIGKILL)

    assert run.finish() == 128 + signal.SIGKILL
    assert re.search(TOLD.format(stuck.pid), run.output)
    assert re.search(GIVEN_UP, run.output)
    assert len(re.findall("stopping web", run.output)) == 1
    assert re.search(rf"procrun: still alive: pid {stuck.pid} ", run.output)
    assert "everything is gone" not in run.output
