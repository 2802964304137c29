"""A folder that is gone, an 8-bit locale, an output that is closed: one line, or no difference."""

import subprocess
from pathlib import Path

import pytest

from procrun.system.linux import disks, procfs
from tests.harness import PROCRUN, Folder


@pytest.mark.parametrize("command", ["ps", "stop", "start", "check", "env", "logs", "doctor"])
def test_in_a_folder_that_was_removed_a_command_is_one_line(tmp_path: Path, command: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {' '.join(PROCRUN)} {command}"
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)

    assert told.returncode == 2
    assert told.stderr.startswith("procrun: ")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["env", "version", "--help"])
@pytest.mark.parametrize("output", [">&-", "1</dev/null", ">/dev/full"])
def test_an_output_that_takes_nothing_is_one_line_and_a_failure(folder: Folder, command: str, output: str) -> None:
    folder.procfile("web: true")
    line = f"exec {' '.join(PROCRUN)} {command} {output}"
    told = subprocess.run(["sh", "-c", line], cwd=folder.path, stderr=-1, text=True, check=False)

    assert told.returncode == 1
    assert told.stderr.startswith("procrun: standard output takes nothing more (")
    assert told.stderr.count("\n") == 1


def test_in_an_8_bit_locale_children_get_the_bytes_that_stand_in_the_file(folder: Folder) -> None:
    folder.procfile("web: printf 'é€ %s' \"$A\" > out")
    folder.write(".env", "A=ü€\n")

    folder.procrun("start", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})

    assert (folder.path / "out").read_bytes() == "é€ ü€".encode()


@pytest.mark.parametrize("place", ["/", "/no/such/folder", "/dev", "/dev/shm", "/proc", "/sys"])
def test_in_a_chroot_a_disk_is_known_without_the_table_of_mounts(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """What the chroot's root is on has no line there unless it is mounted at that very place."""
    known = procfs.file_system(place)
    monkeypatch.setattr(procfs, "_read", lambda path: b"42 27 0:39 / /elsewhere rw,relatime - proc proc rw\n")

    alike = {"ext2": "ext4", "ext3": "ext4", "devtmpfs": "tmpfs", "rootfs": "tmpfs"}
    wanted = alike.get(known, known)
    assert procfs.file_system(place) == (wanted if wanted in disks.LOCAL else "")
