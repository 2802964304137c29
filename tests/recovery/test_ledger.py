"""What a run writes down about itself, and what the next start makes of it."""

import fcntl
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from procrun.core import run_dir
from procrun.eventloop.loop import Loop
from procrun.recovery import past_runs, run_record
from procrun.recovery.run_record import Record
from procrun.system.linux import procfs
from tests.harness import INT, TERM, Folder, Run, alive, child, kill_both, until
from tests.programs import need_right

IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def record(folder: Folder) -> Record:
    """The record of the one run in the folder."""
    (path,) = (folder.path / ".procrun").glob("*.run")
    found = run_record.read(str(path))
    assert found is not None
    return found


def pids(run: Run) -> list[int]:
    return [int(pid) for pid in re.findall(r"started, pid (\d+)", run.output)]


def test_who_looks_while_it_is_made_takes_no_record_away(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is empty and that nobody holds is a dead run's, and is cleared away."""
    hold = fcntl.flock

    def looked_at(handle: int, how: int) -> None:
        if how & fcntl.LOCK_EX:
            assert past_runs.look_back(str(folder.path)) == []
        hold(handle, how)

    (folder.path / ".procrun").mkdir(mode=0o700)
    path = run_dir.record_path(str(folder.path / ".procrun"))
    monkeypatch.setattr(fcntl, "flock", looked_at)
    os.close(run_record._create(path))

    assert os.listdir(folder.path / ".procrun") == [os.path.basename(path)]


def test_a_run_writes_down_who_it_is_and_what_it_has_started(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"), "worker: " + child("polite.py", "0", "0"))
    run = folder.start("-t", "3")
    run.wait_for("ready", count=2)

    until(lambda: list((folder.path / ".procrun").glob("*.run")), "the record is there")
    until(lambda: record(folder).dynos, "it is written")
    found = record(folder)

    assert found.front == procfs.identity(run.pid)
    assert found.supervisor == procfs.identity(run.supervisor())
    assert [(dyno.name, dyno.leader) for dyno in found.dynos] == [
        (name, procfs.identity(pid)) for name, pid in zip(("web.1", "worker.1"), pids(run), strict=True)
    ]
    assert {dyno.first for dyno in found.dynos} == {(signal.SIGTERM, 3.0)}
    assert os.stat(found.path).st_mode & 0o777 == 0o600
    run.finish(TERM)


def test_a_clean_end_leaves_no_record(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")

    run.finish(INT)

    assert {path.name for path in (folder.path / ".procrun").iterdir()} == {".gitignore", "lock"}


def test_the_record_follows_a_restart_and_a_scale(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")

    folder.procrun("restart", "web")
    folder.procrun("scale", "web=2")
    run.wait_for("ready", count=3)

    leaders = {procfs.identity(pid) for pid in pids(run)[1:]}
    until(lambda: {dyno.leader for dyno in record(folder).dynos} == leaders, "the new ones are in the record")
    folder.procrun("scale", "web=1")
    until(lambda: len(record(folder).dynos) == 1, "the second is gone from the record")
    run.finish(TERM)


def test_the_mark_tells_a_run_from_a_later_one_with_its_pid(folder: Folder) -> None:
    folder.procfile("web: echo mark=$PROCRUN_DYNO; sleep 60")
    run = folder.start()

    mark = run.wait_for(r"mark=(\S+)")[1]

    assert mark == f"{procfs.identity(run.supervisor())}:web.1"
    run.finish(TERM)


def test_the_next_start_tells_that_the_front_stopped_everything(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    os.kill(run.supervisor(), signal.SIGKILL)
    run.finish()

    again = folder.start()

    again.wait_for(
        rf"^procrun: the run of 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \(pid {run.pid}\) was cut short: "
        r"its supervisor was killed by KILL; everything it had started was stopped$"
    )
    again.wait_for("ready")
    assert record(folder).front == procfs.identity(again.pid)
    again.finish(TERM)


def test_the_next_start_tells_that_the_supervisor_stopped_everything(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    run.signal(signal.SIGKILL)
    until(lambda: "ended " in Path(record(folder).path).read_text(), "the supervisor leaves word")

    again = folder.start()

    again.wait_for("was cut short: its front process was killed; everything it had started was stopped$")
    again.wait_for("ready")
    again.finish(TERM)


def test_the_next_start_names_what_is_still_alive_and_goes_on(folder: Folder) -> None:
    folder.procfile("web: " + child("polite.py", "0", "0"))
    run = folder.start()
    run.wait_for("ready")
    kill_both(run)
    (left,) = pids(run)

    again = folder.start()

    again.wait_for(rf"was cut short: it was killed; still alive: web\.1 pid {left} \(.+\); `procrun doctor --cl")
    again.wait_for("ready")
    again.finish(TERM)
    assert alive(left)
    assert folder.procrun("doctor", "--clean").returncode == 0
    assert not alive(left)


def test_a_start_while_the_front_still_stops_the_same_is_refused(folder: Folder) -> None:
    folder.procfile(f"web: {IGNORES_TERM}", "worker: true")
    run = folder.start("web", "-t", "8")
    run.wait_for("ready")
    os.kill(run.supervisor(), signal.SIGKILL)
    run.wait_for("stopping")

    result = folder.procrun("start", "web")

    assert result.returncode == 2
    assert f"web.1: the procrun with pid {run.pid} is still stopping what its killed supervisor left" in result.stderr
    assert "try again in a moment" in result.stderr
    assert folder.procrun("start", "worker").returncode == 0
    assert "leaves it alone" not in run.output
    assert folder.procrun("doctor", "--clean").returncode == 0  # it is not doctor's to stop
    assert run.finish() == 137
    assert re.search(r"KILL after [89]\.\d\d s", run.output)


def test_after_a_reboot_nothing_can_be_left(folder: Folder) -> None:
    folder.procfile("web: true")
    _, left = killed(folder)
    path = Path(record(folder).path)
    path.write_text(path.read_text().replace(procfs.machine().partition("/")[0], "another-boot"))

    result = folder.procrun("start")

    assert "ended with the machine: nothing of it is left since the reboot" in result.stderr
    assert result.returncode == 0
    assert not path.exists()
    assert alive(left)
    os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize("damage", [b"", b"\0" * 500, b"machine x\nsince soon\n", b"dyno web.1 1-1 0 0 0 15 10\n"])
def test_a_damaged_record_is_said_and_cleared_away(folder: Folder, damage: bytes) -> None:
    folder.procfile("web: true")
    _, left = killed(folder)
    Path(record(folder).path).write_bytes(damage)

    result = folder.procrun("start")

    assert "cannot be read and is removed: its run is dead" in result.stderr
    assert result.returncode == 0
    assert not list((folder.path / ".procrun").glob("*.run"))
    assert f" {left} " in folder.procrun("doctor").stdout  # by its mark
    assert folder.procrun("doctor", "--clean").returncode == 0


def test_no_record_whatever_is_in_it_is_a_fault(folder: Folder) -> None:
    folder.procfile("web: true")
    _, left = killed(folder)
    whole = Path(record(folder).path).read_text()

    for end in range(len(whole)):
        cut = run_record.parse("1.run", whole[:end].split("\n"))
        assert cut.machine in ("", *(whole.split()[1][:n] for n in range(len(whole.split()[1]) + 1)))
    for odd in (
        "dyno a 1-1 1 0 0 9 10",
        "dyno a 1-1 1 0 0 15 inf",
        "dyno a 1-x 1 0 0 15 1",
        "ended nan 1 x",
        "\0",
        "é",
    ):
        assert (
            run_record.parse("1.run", [*whole.split("\n"), odd]).dynos
            == run_record.parse("1.run", whole.split("\n")).dynos
        )
    os.kill(left, signal.SIGKILL)


def test_a_record_that_is_kept_is_not_written_over_by_a_run_with_the_same_pid(folder: Folder) -> None:
    """In containers the supervisor has the same pid each time."""
    path = folder.write("7.run", "kept")

    run_record.Ledger(str(path), Loop(), "1-1", 1.0, {}, list, lambda path: None)

    assert path.read_text() == "kept"
    (other,) = set(folder.path.glob("7-*.run"))
    until(lambda: run_record.parse("", other.read_text().split("\n")).machine, "it is written")
    found = run_record.read(str(other))
    assert found is not None
    assert found.supervisor == procfs.identity(os.getpid())
    assert run_record.held(str(other))


@pytest.fixture
def small_disk(folder: Folder) -> Iterator[Path]:
    """A file system of a few pages, with the folder .procrun on it."""
    need_right("mount a file system")
    place = folder.path / ".procrun"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_no_fault_and_the_mark_still_finds_what_is_left(folder: Folder, small_disk: Path) -> None:
    (small_disk / ".gitignore").write_text("*\n")
    with pytest.raises(OSError, match="No space"), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    folder.procfile("web: true")

    _, left = killed(folder)

    assert [path.stat().st_size for path in small_disk.glob("*.run")] == [0]
    assert "wrote nothing down (a full disk?)" in folder.procrun("start").stderr
    assert folder.procrun("doctor", "--clean").returncode == 0
    assert not alive(left)


def test_on_a_disk_that_cannot_be_written_the_record_is_elsewhere(folder: Folder, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    folder.procfile("web: true")

    with tempfile.TemporaryDirectory(dir="/tmp") as runtime:  # a path that is short enough for a socket
        env = {"XDG_RUNTIME_DIR": runtime}
        _, left = killed(folder, env, Path(runtime))

        assert folder.procrun("doctor", "--clean", env=env).returncode == 0
        assert not alive(left)
        assert not list(Path(runtime).rglob("*.run"))


def killed(folder: Folder, env: dict[str, str] | None = None, where: Path | None = None) -> tuple[Run, int]:
    """A run of one sleeper, killed; the run and what it left. The Procfile is as before."""
    before = (folder.path / "Procfile").read_text()
    folder.procfile("web: echo ready; exec sleep 600")
    run = folder.start(env=env)
    run.wait_for("ready")
    run.wait_for("started")
    until(lambda: list((where or folder.path).rglob("*.run")), "there is a record, if only an empty one")
    kill_both(run)
    folder.write("Procfile", before)
    return run, pids(run)[0]
