"""The folder `.procrun/` beside a Procfile: one socket for each run in it, and the lock that makes starting safe."""

import fcntl
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO
from zlib import crc32

from procrun.errors import ConfigError

NAME = ".procrun"
LONGEST_PATH = 100
"""Bytes a socket's path may have: sun_path holds 108 (unix(7)), and some are left for the pid."""


def folders(root: str) -> tuple[str, ...]:
    """Where the sockets of the runs in `root` may be: beside the Procfile, or a short path of the user's own.

    The second serves where the first is too long, cannot be written, or cannot hold sockets.
    """
    name = os.fsencode(os.path.realpath(root))
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/procrun-{os.getuid()}"
    short = os.path.join(base, f"procrun-{crc32(name):08x}{crc32(name[::-1]):08x}")  # hashlib costs 3 ms
    beside = os.path.join(os.path.realpath(root), NAME)
    return (beside, short) if len(os.fsencode(beside)) + 16 <= LONGEST_PATH else (short,)


def make(root: str) -> Iterator[str]:
    """Those of the folders that this user alone can write, at least one, each made when it is asked for.

    Raises ConfigError where there is none.
    """
    none = True
    for folder in folders(root):
        if _make_own(folder) and _has_lock(folder):
            none = False
            yield folder
    if none:
        raise ConfigError("cannot be made, and XDG_RUNTIME_DIR names no folder either; make one of them writable", NAME)


def lock(folder: str) -> BinaryIO:
    """Hold the folder's lock until it is closed: of two `start` at the same instant the second waits for the first."""
    handle = _open_lock(folder)
    file = open(handle, "rb", buffering=0)  # noqa: SIM115  the caller's `with` closes it
    fcntl.flock(handle, fcntl.LOCK_EX)
    return file


def _open_lock(folder: str) -> int:
    return os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _has_lock(folder: str) -> bool:
    """Whether there can be a lock: not on a disk that has room for no further file (ENOSPC, EDQUOT)."""
    try:
        os.close(_open_lock(folder))
    except OSError:
        return False
    return True


def sockets(root: str) -> list[str]:
    """The sockets of the runs in `root`, living or stale, oldest first."""
    found = []
    for folder in folders(root):
        try:
            found += [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".sock")]
        except OSError:
            continue
    return sorted(filter(_trusted, found), key=_born)


def socket_path(folder: str) -> str:
    """Where this run's socket goes."""
    return os.path.join(folder, f"{os.getpid()}.sock")


def _make_own(folder: str) -> bool:
    """Whether the folder is there, ours, and nobody else's to write; a short one's parent in /tmp must be so too."""
    parent = os.path.dirname(folder)
    if parent.startswith("/tmp/procrun-") and not _make_own(parent):
        return False
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return False
    except OSError:
        return False
    _hide(os.path.join(folder, ".gitignore"))
    return True


def _hide(path: str) -> None:
    """Have git ignore the folder; where the disk is full a later start will."""
    try:
        with open(path, "a") as file:
            if file.tell() == 0:
                file.write("*\n")
    except OSError:
        pass


def _trusted(path: str) -> bool:
    """Whether the socket is this user's; root may talk to everybody's."""
    try:
        return os.getuid() in (0, os.lstat(path).st_uid)
    except OSError:
        return False


def _born(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
