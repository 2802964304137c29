"""The disk stands still: deadlines, commands and stops go on, and what it takes later is not lost."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.disks import FrozenDisk, HangingDisk, frozen_disk, network_disk
from tests.harness import PATIENCE, PROCRUN, TERM, Folder, alive, states, until

__all__ = ["frozen_disk", "network_disk"]

LOOP = "n=0; while :; do n=$((n + 1)); echo line $n; echo $n > noted~; mv noted~ noted; sleep 0.05; done"
DEAF = f"trap '' TERM; {LOOP}"
HALF = r"(?:0\.[5-9]|[1-9]\.\d)\d"


class App:
    """`procrun start` with output, errors and log files on `disk`; `web` notes each of its lines outside of it."""

    def __init__(self, folder: Folder, disk: HangingDisk, *lines: str) -> None:
        self.folder, self.disk = folder, disk
        self._lines = lines
        self.log = disk.seen / "logs/web.log"
        self._output = disk.seen / "output"
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.procfile(*self._lines)
        self.folder.write("procrun.toml", f'log_dir = "{self.disk.path}/logs"\nlog_size = "1G"\n')
        with open(self.disk.path / "output", "wb") as file:
            command = [*PROCRUN, "start", "-t", "0.5"]
            self._popen = subprocess.Popen(
                command, cwd=self.folder.path, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        until(lambda: "line 3\n" in self.output(), "it writes")

    def output(self) -> str:
        return self._output.read_text()

    def hang(self) -> None:
        """The disk stands still, and lines have come since."""
        before = self.output()
        self.disk.hang()
        self.wait_for_lines(10)
        assert self.output().count("\n") < before.count("\n") + 10

    def wait_for_lines(self, more: int) -> None:
        goal = self.noted() + more
        until(lambda: self.noted() >= goal, "it writes on")

    def noted(self) -> int:
        return int((self.folder.path / "noted").read_text())

    @property
    def front(self) -> "subprocess.Popen[bytes]":
        assert self._popen is not None
        return self._popen

    def supervisor(self) -> int:
        return int(Path(f"/proc/{self.front.pid}/task/{self.front.pid}/children").read_text())

    def end(self) -> None:
        self.front.kill()
        self.front.wait(PATIENCE)


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\| line (\d+)$", text, re.M)]


@pytest.fixture(params=["frozen_disk", "network_disk"])
def disk(request: pytest.FixtureRequest) -> HangingDisk:
    found: HangingDisk = request.getfixturevalue(request.param)
    return found


def test_commands_and_deadlines_go_on(folder: Folder, frozen_disk: FrozenDisk) -> None:
    """Where a disk is far away the kernel waits for it behind our back whenever a process starts or ends (close(2))."""
    app = App(folder, frozen_disk, f"web: {DEAF}")
    app.start()
    try:
        supervisor = app.supervisor()
        app.hang()

        result = folder.procrun("restart", "web")
        (pid,) = re.findall(r"started, pid (\d+)", result.stdout)
        table = folder.procrun("ps").stdout
        app.front.send_signal(TERM)

        assert app.front.wait(2 * PATIENCE) == -TERM
        assert result.returncode == 0
        assert re.search(rf"^ +{HALF} s +web\.1 +KILL", result.stdout, re.M)
        assert f" {pid} " in table
        assert not alive(int(pid))
        frozen_disk.go_on()
        until(lambda: not alive(supervisor), "what waited for the disk ends, too")
    finally:
        frozen_disk.go_on()
        app.end()


def test_a_run_whose_files_are_all_there_ends_before_it_goes_on(frozen_disk: FrozenDisk) -> None:
    """Procfile, record, lock and socket, too."""
    folder = Folder(frozen_disk.path / "app")
    folder.path.mkdir()
    app = App(folder, frozen_disk, "web: trap '' TERM; n=1; while :; do echo line $n; n=$((n + 1)); sleep 0.05; done")
    app.start()
    try:
        (pid,) = re.findall(r"web\.1 started, pid (\d+)", app.output())
        frozen_disk.hang()
        until(lambda: "D" in states(app.supervisor()), "a thread waits for the disk")
        app.front.send_signal(TERM)

        assert app.front.wait(2 * PATIENCE) == -TERM
        assert not alive(int(pid))
        frozen_disk.go_on()
        until(lambda: not [*(folder.path / ".procrun").glob("*.run")], "nothing is left to tell the next start")
    finally:
        frozen_disk.go_on()
        app.end()


def test_everything_is_stopped_on_time(folder: Folder, disk: HangingDisk) -> None:
    app = App(folder, disk, f"web: {DEAF}")
    app.start()
    try:
        (pid,) = re.findall(r"web\.1 started, pid (\d+)", app.output())
        app.hang()

        app.front.send_signal(TERM)

        until(lambda: not alive(int(pid)), "it was killed")
        disk.go_on()
        assert app.front.wait(2 * PATIENCE) == -TERM
    finally:
        disk.go_on()
        app.end()


def test_nothing_is_lost_when_it_goes_on(folder: Folder, disk: HangingDisk) -> None:
    app = App(folder, disk, f"web: {LOOP}")
    app.start()
    try:
        app.hang()
        disk.go_on()
        app.wait_for_lines(5)
        app.front.send_signal(TERM)

        assert app.front.wait(PATIENCE) == -TERM
        shown, kept = numbers(app.output()), numbers(app.log.read_text())
        assert shown == kept == [*range(1, len(shown) + 1)]
        assert len(shown) >= app.noted()
    finally:
        app.end()


def test_a_flood_is_held_back_until_it_goes_on(folder: Folder, disk: HangingDisk) -> None:
    """Little waits in memory, and not a line is missing."""
    app = App(folder, disk, f"web: {LOOP}", "flood: seq -f 'flood %08.0f' 1 1000000; echo all; sleep 600")
    app.start()
    try:
        until(lambda: "flood 00010000" in app.output(), "it floods")
        app.disk.hang()
        before = memory(app.supervisor())
        app.wait_for_lines(20)
        after = memory(app.supervisor())
        disk.go_on()
        until(lambda: "| all\n" in app.output(), "all of it comes")
        app.front.send_signal(TERM)

        assert app.front.wait(PATIENCE) == -TERM
        assert after < before + 32 * 1024
        for text in (app.output(), (disk.seen / "logs/flood.log").read_text()):
            assert re.findall(r"\| flood (\d+)$", text, re.M) == [f"{n:08}" for n in range(1, 1000001)]
    finally:
        disk.go_on()
        app.end()


def memory(pid: int) -> int:
    """Resident KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])
