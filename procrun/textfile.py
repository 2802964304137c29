"""The text of a file of the app, where that cannot hold up who reads it: a regular file of a bounded size."""

import os
import stat

LARGEST = 256 * 1024
"""Bytes of a file that are read; no settings and no script that people write are longer."""


def read(path: str, largest: int = LARGEST) -> str:
    """What is in the file; nothing where it is no regular file, is larger, or cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
            return ""
        try:
            return file.read(largest).decode("utf-8", errors="replace").replace("\r\n", "\n")
        except OSError:
            return ""
