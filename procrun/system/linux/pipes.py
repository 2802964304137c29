"""Pipes: their size, and who writes to which."""

import fcntl
import os

from procrun.system.linux.procfs import _descriptors, _link, entry


def output_pipe(pid: int, reader: int) -> str | None:
    """What tells the pipe that `pid` has as its stdout from all others, where `reader` has it open too; else None."""
    link = _link(pid, "fd/1")
    return link if link.startswith("pipe:[") and link in _descriptors(reader) else None


def pipes_written(pid: int) -> dict[int, str]:
    """The inodes of the pipes that `pid` has as stdout and stderr, each with the path by which it can be opened.

    Only the links are read: to look at what they lead to could take for ever, where that is a file on a dead disk.
    """
    found: dict[int, str] = {}
    shown = entry(pid)
    for path in (f"{shown}/fd/1", f"{shown}/fd/2"):
        try:
            link = os.readlink(path)
        except OSError:
            continue
        if link.startswith("pipe:["):
            found[int(link[6:-1])] = path
    return found


def size(fd: int) -> int:
    """The bytes that a pipe may hold (pipe(7), F_GETPIPE_SZ). Raises OSError where `fd` is none."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)


def resize(fd: int, wanted: int) -> int:
    """Let a pipe hold so many bytes; how many it may hold now.

    Raises OSError where `fd` is no pipe, where the user has no more (pipe-user-pages-soft), and where more is in it.
    """
    return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, wanted)


def opened_anew(fd: int, flags: int) -> int:
    """A description of our own of what `fd` leads to: O_NONBLOCK on a shared one would change it for others, too.

    Raises OSError where that cannot be: a socket, or what is another user's.
    """
    return os.open(f"/proc/self/fd/{fd}", flags | os.O_NOCTTY | os.O_CLOEXEC)


def written_by(pid: int, reader: int) -> int:
    """The pipe from the stdout of `pid` to `reader`, opened for writing, without blocking. Raises OSError."""
    pipe = output_pipe(pid, reader)
    if pipe is None:
        raise OSError("its output does not go to procrun")
    handle = os.open(f"{entry(pid)}/fd/1", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if os.readlink(f"/proc/self/fd/{handle}") != pipe:  # another process has got this pid since
        os.close(handle)
        raise OSError("it ended by itself")
    return handle
