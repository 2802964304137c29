"""The text of a file of the app, where that cannot hold up who reads it: a regular file of a bounded size."""

import os
import stat

LARGEST = 256 * 1024
"""Bytes of a file that are read; no settings and no script that people write are longer."""


def read(path: str, largest: int = LARGEST) -> str:
    """What is in the file; nothing where it is no regular file, is larger, or cannot be read."""
    data = first_bytes(path, largest + 1)
    return data.decode("utf-8", errors="replace").replace("\r\n", "\n") if len(data) <= largest else ""


def first_bytes(path: str, most: int) -> bytes:
    """The first bytes of a regular file, as they are; none of any other file, or where it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(handle, most) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)
