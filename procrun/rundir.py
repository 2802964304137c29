"""The folder `.procrun/` beside a Procfile: one socket for each run in it, and the lock that makes starting safe."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from procrun.errors import ConfigError

NAME = ".procrun"
LONGEST_PATH = 100
"""Bytes a socket's path may have: sun_path holds 108 (unix(7)), and some are left for the pid."""


def folders(root: str) -> tuple[str, ...]:
    """Where the sockets of the runs in `root` may be: beside the Procfile, or a short path of the user's own.

    The second serves where the first is too long, cannot be written, or cannot hold sockets.
    """
    root = os.path.realpath(root)
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/procrun-{os.getuid()}"
    name = os.fsencode(root)
    short = os.path.join(base, "procrun", f"{crc32(name):08x}{crc32(name[::-1]):08x}")  # hashlib costs 3 ms
    beside = os.path.join(root, NAME)
    return (beside, short) if len(os.fsencode(beside)) + 16 <= LONGEST_PATH else (short,)


def make(root: str) -> str:
    """The first of the folders that can be written, made if need be, readable by this user alone.

    Raises ConfigError where none can.
    """
    for folder in folders(root):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.stat(folder).st_uid != os.getuid() or not os.access(folder, os.W_OK):
                continue
            ignore = os.path.join(folder, ".gitignore")
            if not os.path.exists(ignore):
                with open(ignore, "w") as file:
                    file.write("*\n")
        except OSError:
            continue
        return folder
    raise ConfigError("cannot be made, and XDG_RUNTIME_DIR names no folder either; make one of them writable", NAME)


@contextmanager
def lock(folder: str) -> Iterator[None]:
    """Hold the folder's lock: of two `start` at the same instant the second waits to see the first."""
    handle = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sockets(root: str) -> list[str]:
    """The sockets of the runs in `root`, living or stale, oldest first."""
    found = []
    for folder in folders(root):
        try:
            found += [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".sock")]
        except OSError:
            continue
    return sorted(found, key=_born)


def socket_path(folder: str) -> str:
    """Where this run's socket goes."""
    return os.path.join(folder, f"{os.getpid()}.sock")


def _born(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
