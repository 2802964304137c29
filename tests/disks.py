"""File systems that are soon full, and such as stand still."""

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import PYTHON, until
from tests.programs import LEFT_OUT, leave_out, need, need_right

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
"""Who writes waits, in state D, until the file system is thawed: ioctl_fsfreeze in linux/fs.h."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    need_right("mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


class FrozenDisk:
    """A file system at `path` on which every write waits from `hang` to `go_on`; meanwhile it is read at `seen`."""

    def __init__(self, path: Path) -> None:
        self.path = self.seen = path
        self._handle = os.open(path, os.O_RDONLY)

    def hang(self) -> None:
        fcntl.ioctl(self._handle, FIFREEZE, 0)

    def go_on(self) -> None:
        with contextlib.suppress(OSError):  # it goes on already
            fcntl.ioctl(self._handle, FITHAW, 0)

    def close(self) -> None:
        self.go_on()
        os.close(self._handle)


class NetworkDisk:
    """The same by sshfs, which reads and writes `seen` through an sftp-server of its own, and stands still with it."""

    def __init__(self, path: Path, seen: Path, sshfs: "subprocess.Popen[bytes]") -> None:
        self.path, self.seen = path, seen
        self._sshfs = sshfs

    def hang(self) -> None:
        self._sshfs.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._sshfs.send_signal(signal.SIGCONT)


HangingDisk = FrozenDisk | NetworkDisk

THAW_ANYWAY = f"""
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
time.sleep(100)
fcntl.ioctl(handle, {FITHAW}, 0)
"""
"""If a test is ended in the middle nobody else would."""


@pytest.fixture
def frozen_disk(tmp_path: Path) -> Iterator[FrozenDisk]:
    """An ext4 file system in a file."""
    need_right("mount a file system")
    image, folder = tmp_path / "image", tmp_path / "frozen"
    folder.mkdir()
    image.touch()
    os.truncate(image, 256 * 1024 * 1024)
    subprocess.run([need("mkfs.ext4"), "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, check=False).returncode:
        pytest.skip(LEFT_OUT + "this kernel has no loop device")
    disk = FrozenDisk(folder)
    with subprocess.Popen([PYTHON, "-c", THAW_ANYWAY, folder], stdout=subprocess.PIPE) as rescuer:
        assert rescuer.stdout is not None
        rescuer.stdout.readline()
        yield disk
        disk.close()
        rescuer.kill()
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def network_disk(tmp_path: Path) -> Iterator[NetworkDisk]:
    """No network: the server is its own child. A write waits until it has answered (sshfs_sync)."""
    need_right("mount a file system by FUSE")
    seen, folder, ssh = tmp_path / "seen", tmp_path / "network", tmp_path / "ssh"
    seen.mkdir()
    folder.mkdir()
    ssh.write_text(f"#!/bin/sh\nexec {sftp_server()}\n")
    ssh.chmod(0o755)
    command = [need("sshfs"), "-f", "-o", f"ssh_command={ssh},sshfs_sync", f"localhost:{seen}", str(folder)]
    with subprocess.Popen(command) as sshfs:
        until(lambda: os.path.ismount(folder) or sshfs.poll() is not None, "it is mounted")
        disk = NetworkDisk(folder, seen, sshfs)
        yield disk
        disk.go_on()
        subprocess.run(["umount", "--lazy", folder], check=True)
        sshfs.kill()


def sftp_server() -> str:
    path = "/usr/lib/openssh/sftp-server"
    return (
        path if os.path.exists(path) else leave_out("openssh-sftp-server is not installed (make test names the line)")
    )
