"""Log files: every line once, also across rotations, a full disk and somebody else's rotation."""

import fcntl
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest

from procrun.output import log_files
from procrun.output.line_buffer import Amount, measure
from procrun.output.log_files import LogFiles, PlantedError, Rotation
from procrun.output.log_reader import read
from tests.disks import small_disk
from tests.harness import PYTHON, TERM, Folder
from tests.programs import need_right

__all__ = ["small_disk"]

LARGE = Rotation(10**9, 5, "never")


def lines_of(folder: Path, type_: str = "web") -> list[bytes]:
    """The text of each line, oldest first."""
    return [text for _, _, text in read(str(folder), type_)]


def test_a_line_is_written_with_its_time_and_instance_into_the_file_of_its_type(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path / "log"), LARGE, pytest.fail)
    files.add("web.1", b"one\ntwo\n", time())
    files.add("web.2", b"\xff three\n", time())
    files.add("procrun", b"web.1 started\n", time())
    files.close()

    assert [(name, text) for _, name, text in read(str(tmp_path / "log"), "web")] == [
        ("web.1", b"one\n"),
        ("web.1", b"two\n"),
        ("web.2", b"\xff three\n"),
    ]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["procrun.log", "web.log"]


def test_no_line_is_lost_across_rotations_and_so_many_files_stay(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path), Rotation(10_000, 1000, "never"), pytest.fail)
    for number in range(0, 5000, 10):
        files.add("web.1", b"".join(b"line %d\n" % n for n in range(number, number + 10)), time())
    files.close()

    assert lines_of(tmp_path) == [b"line %d\n" % number for number in range(5000)]
    assert len(list(tmp_path.iterdir())) > 20
    assert all(path.stat().st_size <= 10_000 for path in tmp_path.iterdir())


def test_the_oldest_file_goes_when_there_are_enough(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path), Rotation(100, 2, "never"), pytest.fail)
    for number in range(100):
        files.add("web.1", b"line %d\n" % number, time())
    files.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]
    assert lines_of(tmp_path)[-1] == b"line 99\n"


@pytest.mark.parametrize(("period", "rotates"), [("never", False), ("hourly", True), ("daily", True), ("weekly", True)])
def test_a_new_period_begins_a_new_file(tmp_path: Path, period: str, rotates: bool) -> None:
    files = LogFiles(str(tmp_path), Rotation(10**9, 5, period), pytest.fail)
    files.add("web.1", b"old\n", time())
    os.utime(tmp_path / "web.log", (0, 0))
    files.add("web.1", b"new\n", time())
    files.close()

    assert (tmp_path / "web.log.1").exists() is rotates
    assert lines_of(tmp_path) == [b"old\n", b"new\n"]


def test_a_file_that_somebody_moves_away_is_begun_anew(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path), LARGE, pytest.fail)
    files.add("web.1", b"old\n", time())
    (tmp_path / "web.log").rename(tmp_path / "web.log.1")
    files.add("web.1", b"new\n", time())
    files.close()

    assert lines_of(tmp_path) == [b"old\n", b"new\n"]


def test_what_an_earlier_run_wrote_is_kept(tmp_path: Path) -> None:
    for word in (b"first\n", b"second\n"):
        files = LogFiles(str(tmp_path), LARGE, pytest.fail)
        files.add("web.1", word, time())
        files.close()

    assert lines_of(tmp_path) == [b"first\n", b"second\n"]


def test_a_full_disk_is_reported_once_and_survived_and_what_is_missing_is_counted(small_disk: Path) -> None:
    said: list[str] = []
    (small_disk / "other").write_bytes(b"x" * 40_000)
    files = LogFiles(str(small_disk), LARGE, said.append)
    for number in range(1000):
        files.add("web.1", b"line %d\n" % number, time())
    assert len(said) == 1
    assert "No space left on device" in said[0]

    (small_disk / "other").unlink()
    files.add("web.1", b"again\n", time())
    files.close()

    *before, word, last = lines_of(small_disk)
    assert last == b"again\n"
    whole = [line for line in before if line in {b"line %d\n" % number for number in range(1000)}]
    assert whole == [b"line %d\n" % number for number in range(len(whole))]
    assert f"({1000 - len(whole)} lines) could not be written here" in word.decode()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")

    with pytest.raises(OSError):
        LogFiles(str(tmp_path / "log"), LARGE, pytest.fail)


# --- Several runs

WRITER = """
import sys, time
from procrun.output.log_files import LogFiles, Rotation
name = sys.argv[1]
files = LogFiles(sys.argv[2], Rotation(2000, 1000, "never"), sys.exit)
sys.stdin.readline()
for number in range(0, 2000, 5):
    files.add(name, b"".join(b"%d of %s\\n" % (n, name.encode()) for n in range(number, number + 5)), time.time())
"""


def test_runs_that_share_a_file_do_not_rotate_each_others_lines_away(tmp_path: Path) -> None:
    names = [f"web.{number}" for number in range(1, 5)]
    writers = [
        subprocess.Popen([PYTHON, "-c", WRITER, name, str(tmp_path)], stdin=subprocess.PIPE, text=True)
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 4

    lines = lines_of(tmp_path)
    assert len(lines) == len(set(lines)) == 4 * 2000
    for name in names:
        mine = [line for line in lines if line.endswith(name.encode() + b"\n")]
        assert sorted(mine, key=lambda line: int(line.split()[0])) == [
            b"%d of %s\n" % (number, name.encode()) for number in range(2000)
        ]


def test_a_run_that_finds_the_lock_taken_writes_on_and_waits_no_longer_than_its_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(log_files, "monotonic", lambda: now)
    files = LogFiles(str(tmp_path), Rotation(100, 5, "never"), pytest.fail)
    files.add("web.1", b"one\n", time())
    with (tmp_path / "web.log").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for line in (b"two\n" * 5, b"three\n"):
            files.add("web.1", line, time())
            now += log_files.PATIENCE / 2
        assert [path.name for path in tmp_path.iterdir()] == ["web.log"]
        files.add("web.1", b"four\n", time())
    files.close()

    assert (tmp_path / "web.log.1").exists()
    assert lines_of(tmp_path) == [b"one\n", *[b"two\n"] * 5, b"three\n", b"four\n"]


def test_lines_written_into_a_file_that_was_just_removed_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the file and the write another run may rotate it away for good."""
    files = LogFiles(str(tmp_path), LARGE, pytest.fail)
    files.add("web.1", b"one\n", time())
    real = os.write

    def remove_first(fd: int, data: bytes) -> int:
        (tmp_path / "web.log").unlink()
        monkeypatch.setattr(os, "write", real)
        return real(fd, data)

    monkeypatch.setattr(os, "write", remove_first)
    files.add("web.1", b"two\n", time())
    files.close()

    assert lines_of(tmp_path) == [b"two\n"]


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    files = LogFiles(str(tmp_path / "log"), LARGE, pytest.fail)
    files.add("web.1", b"one\n", time())
    (tmp_path / "log" / "web.log").unlink()
    (tmp_path / "log").rmdir()

    files.add("web.1", b"two\n", time())
    files.close()

    assert lines_of(tmp_path / "log") == [b"two\n"]


# --- A folder that others can write to


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.mark.parametrize("planted", ["symbolic link", "dangling link", "second name", "another user's file", "pipe"])
def test_what_others_have_planted_takes_no_lines(tmp_path: Path, shared: Path, planted: str) -> None:
    target = tmp_path / "precious"
    if planted != "dangling link":
        target.write_text("mine\n")
    said: list[str] = []
    files = LogFiles(str(shared), LARGE, said.append)  # at its start there was nothing
    reason = plant(shared / "web.log", target, planted)

    files.add("web.1", b"one\n", time())
    files.add("web.1", b"two\n", time())
    files.close()

    assert said == [f"{shared}/web.log takes nothing more ({reason}): lines are missing there, the run goes on"]
    assert files.dropped == Amount(8, 2)
    assert not target.exists() if planted == "dangling link" else target.read_text() == "mine\n"
    if planted != "pipe":
        with pytest.raises(PlantedError, match=re.escape(reason)):
            LogFiles(str(shared), LARGE, pytest.fail, ["worker", "web"])


def plant(path: Path, target: Path, what: str) -> str:
    """Put it there; why it is refused."""
    match what:
        case "symbolic link" | "dangling link":
            path.symlink_to(target)
            return "is a symbolic link in a folder that others can write to"
        case "second name":
            path.hardlink_to(target)
            return "has a second name, and others can write to its folder"
        case "pipe":
            os.mkfifo(path)
            return "No such device or address"
    need_right("give files away")
    path.write_text("")
    path.chmod(0o666)
    os.chown(path, 65534, 65534)
    return "is another user's, who can write to its folder"


def test_in_a_folder_of_ours_alone_a_link_may_lead_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir(mode=0o755)
    (folder / "web.log").symlink_to(tmp_path / "elsewhere.log")

    files = LogFiles(str(folder), LARGE, pytest.fail, ["web"])
    files.add("web.1", b"one\n", time())
    files.close()

    assert (tmp_path / "elsewhere.log").read_bytes().endswith(b"one\n")


def test_a_planted_link_is_one_line_and_nothing_is_started(folder: Folder) -> None:
    (folder.path / "log").mkdir()
    (folder.path / "log").chmod(0o777)
    (folder.path / "log" / "web.log").symlink_to(folder.path / "precious")
    folder.write("procrun.toml", 'log_dir = "log"\n')
    folder.procfile("web: touch started")

    result = folder.procrun("start")

    where = f"{folder.path}/log/web.log"
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"procrun: procrun.toml: log_dir: {where}: is a symbolic link in a folder that others can write to\n"
    )
    assert not (folder.path / "started").exists()
    assert not (folder.path / "precious").exists()


# --- What is lost is counted


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file of ours may have more bytes than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_begun_anew_before_it_is_larger_than_the_system_lets_it_be(tmp_path: Path, small_files: int) -> None:
    files = LogFiles(str(tmp_path), Rotation(10**9, 1000, "never"), pytest.fail)
    for number in range(1000):
        files.add("web.1", b"line %d\n" % number, time())
    files.close()

    assert lines_of(tmp_path) == [b"line %d\n" % number for number in range(1000)]
    assert files.dropped == Amount()


def test_what_never_fits_is_counted_though_no_file_says_so(tmp_path: Path, small_files: int) -> None:
    said: list[str] = []
    lines = b"".join(b"line %d\n" % number for number in range(1000))
    files = LogFiles(str(tmp_path), LARGE, said.append)
    files.add("web.1", lines, time())
    files.close()

    written = lines_of(tmp_path)
    assert written == [b"line %d\n" % number for number in range(len(written))]
    assert files.dropped == measure(b"".join(b"line %d\n" % number for number in range(len(written), 1000)))
    assert len(said) == 1


def test_the_sum_of_what_was_lost_is_told_at_the_end(folder: Folder) -> None:
    (folder.path / "log").mkdir()
    (folder.path / "log").chmod(0o777)
    folder.write("procrun.toml", 'log_dir = "log"\n')
    folder.procfile("web: until [ -e go ]; do sleep 0.05; done; printf 'one\\ntwo\\n'; sleep 600")
    run = folder.start()
    run.wait_for("started")
    (folder.path / "log" / "web.log").symlink_to(folder.path / "precious")
    folder.write("go", "")
    run.wait_for("two$")

    run.finish(TERM)

    assert re.search(r"(?m)^procrun: 8 bytes \(2 lines\) of output could not be written to the log files$", run.output)
    assert not (folder.path / "precious").exists()
