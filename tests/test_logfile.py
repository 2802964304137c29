"""Log files: every line once, also across rotations, a full disk and somebody else's rotation."""

import os
from pathlib import Path
from time import time

import pytest

from procrun.logfile import LogFiles, Rotation
from procrun.logreading import read
from tests.disks import small_disk

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
