"""A process that holds the lock of its memory map for as long as a disk stands still holds up nobody else.

Its command line, environment and memory map cannot be read: whoever tries waits for the disk, too.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from procrun.supervise import drain
from procrun.system import bounded
from procrun.system.linux import procfs
from tests.disks import FrozenDisk, frozen_disk
from tests.harness import TERM, Folder, Run, alive, child, states, until

__all__ = ["frozen_disk"]

NAME = r"python[\d.]*"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


class Held:
    """`web` is held up by the disk; `start` runs it beside others."""

    def __init__(self, folder: Folder, disk: FrozenDisk) -> None:
        self.folder, self.disk = folder, disk
        (disk.path / "file").write_bytes(bytes(4096))
        os.sync()

    def start(self, *others: str, arguments: tuple[str, ...] = ()) -> Run:
        self.folder.procfile("web: " + child("held.py", f"{self.disk.path}/file", "go"), *others)
        run = self.folder.start(*arguments)
        run.wait_for("ready", count=1 + len(others))
        self.pid = int(run.wait_for(r"ready pid=(\d+)")[1])
        return run

    def hold(self) -> None:
        self.disk.hang()
        self.folder.write("go", "")
        until(lambda: states(self.pid) == ["D", "D"], "one thread writes, and the other one waits for it")
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["cat", f"/proc/{self.pid}/cmdline"], timeout=1, check=False)


@pytest.fixture
def held(folder: Folder, frozen_disk: FrozenDisk) -> Iterator[Held]:
    made = Held(folder, frozen_disk)
    yield made
    frozen_disk.go_on()


def test_another_instance_is_killed_on_time_and_ps_answers(held: Held) -> None:
    run = held.start(f"worker: {DEAF}", arguments=("-t", "3"))
    held.hold()
    run.signal(TERM)
    run.wait_for(rf"still waiting for web\.1: pid {held.pid} \({NAME}\)")

    table = held.folder.procrun("ps").stdout

    assert re.search(r"web\.1 +stopping", table)
    run.wait_for(r"worker\.1 TERM 0\.00 → KILL [3-9]\.\d\d → gone")
    held.disk.go_on()
    assert run.finish() in (-TERM, 124)  # on a slow machine it was given up before
    until(lambda: not alive(held.pid), "it dies of the KILL that it has had")


def test_the_front_stops_the_others_on_time(held: Held) -> None:
    run = held.start(f"worker: {DEAF}", arguments=("-t", "2"))
    held.hold()

    os.kill(run.supervisor(), signal.SIGKILL)

    run.wait_for(rf"stopping web\.1: pid {held.pid} \({NAME}\)")
    run.wait_for(r"worker\.1 TERM 0\.00 → KILL [2-9]\.\d\d → gone")
    held.disk.go_on()
    assert run.finish() == 128 + signal.SIGKILL
    until(lambda: not alive(held.pid), "it dies of the KILL that it has had")


def test_the_doctor_names_it_and_stops_the_others(held: Held) -> None:
    run = held.start("worker: echo ready; sleep 600", arguments=("-t", "2"))
    held.hold()
    both = [run.pid, run.supervisor()]
    for pid in both:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, both)), "front and supervisor are dead")

    result = held.folder.procrun("doctor", "--clean")

    assert result.returncode == 1
    assert re.search(rf"web\.1 +{held.pid} .* {NAME} ", result.stdout)
    assert re.search(r"worker\.1 TERM 0\.\d\d → gone", result.stdout)
    assert re.search(rf"pid {held.pid} \({NAME}\) could not be stopped", result.stderr)
    held.disk.go_on()
    until(lambda: not alive(held.pid), "it dies of the KILL that it has had")


def test_what_is_held_up_is_waited_for_once(held: Held) -> None:
    run = held.start()
    held.hold()
    name = Path(f"/proc/{held.pid}/comm").read_text().strip()
    try:
        assert procfs.title(held.pid) == name
        assert procfs.is_held_up(held.pid)
        begun = monotonic()
        for _ in range(100):
            assert procfs.title(held.pid) == name
            assert procfs.mark(held.pid, "PATH") is None
            assert procfs.command_line(held.pid) == ""
        assert monotonic() - begun < 100 * bounded.PATIENCE
        assert procfs.held(held.pid) > 1_000_000
        row = procfs.stat(held.pid)
        assert row is not None
        assert not drain.drained(r"(?P<busy>\d)(?P<slots>\d)(?P<quiet>q)", [row])
        assert procfs.title(run.pid) != name
    finally:
        held.disk.go_on()
    until(lambda: not procfs.is_held_up(held.pid), "the answer has come")
    assert procfs.title(held.pid) != name
    assert run.finish(TERM) == -TERM
