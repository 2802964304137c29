"""What the system lets procrun have: file descriptors, seen to before a start, and words for what ran out."""

import errno
import os
from collections.abc import Mapping

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the system says when it has no more to give, and knows nothing of what was asked for."""


SPARE = 8
"""Descriptors that stay free: a spawn opens five for a moment, a signal two, an import two; four are for clients."""

CLIENTS = 64
"""Control clients there shall be room for where the hard limit allows; those that find none are hung up on."""

LONGEST_STRING = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""Bytes that one argument or `NAME=value` may have (execve(2), MAX_ARG_STRLEN)."""

# The soft limit that procrun was given, where it has raised it: as the limit itself, one for the whole process.
_given: int | None = None


def room(wanted: int) -> int:
    """How many descriptors may be opened so that the spare ones stay free.

    Where that is less than `wanted` the soft limit is raised as far as it needs to be and the hard one allows.
    """
    needed = _open() + SPARE + wanted
    soft = soft_limit()
    if soft < needed:
        soft = _raise(soft, needed)
    return soft - needed + wanted


def scarce() -> bool:
    """Whether half of the spare descriptors are in use: one more control client would take what the run needs."""
    return soft_limit() - _open() < SPARE // 2


def shell(line: str, folder: str = "") -> list[str]:
    """The words that have /bin/sh run `line`, with the soft limit that procrun was given.

    Programs look at it: redis sizes its tables by it, and select(2) can serve no descriptor above 1,023. With a
    `folder` (absolute) the line runs there. A second shell takes the place of the first, so that ps shows the same as
    ever.
    """
    before = ['ulimit -S -n "$2"'] if _given is not None else []
    before += ['cd "$3" || exit 126', "unset OLDPWD"] if folder else []
    if not before:
        return ["/bin/sh", "-c", line]
    return ["/bin/sh", "-c", "; ".join([*before, 'exec /bin/sh -c "$1"']), "sh", line, str(_given or ""), folder]


def why(error: OSError, line: str = "", env: Mapping[str, str] | None = None) -> str:
    """The reason for people, with the limit that was reached; of a command line, with its environment, that failed."""
    match error.errno:
        case errno.EMFILE:
            return f"no file descriptor is left, `ulimit -n` allows {soft_limit()}; raise it"
        case errno.ENFILE:
            return "no file descriptor is left on this machine; see /proc/sys/fs/file-nr"
        case errno.EAGAIN:
            return "no more processes are allowed; see `ulimit -u`, and pids.max of its cgroup"
        case errno.ENOMEM:
            return "no memory is left (ENOMEM)"
        case errno.E2BIG:
            return _too_long(line, env or {})
    return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)


def _too_long(line: str, env: Mapping[str, str]) -> str:
    """Why execve(2) found it too long: the longest by name, or all together."""
    sizes = {f"variable {name}": len(os.fsencode(f"{name}={value}")) for name, value in env.items()}
    sizes["command"] = len(os.fsencode(line))
    longest = max(sizes, key=sizes.__getitem__)
    if sizes[longest] > LONGEST_STRING:
        return f"its {longest} has {sizes[longest]} bytes, and Linux takes {LONGEST_STRING}; put it into a file"
    total = sum(sizes.values())
    return f"command and environment have {total} bytes, and Linux takes a quarter of `ulimit -s`; shorten them"


def _raise(soft: int, needed: int) -> int:
    """Raise the soft limit to `needed`, or to the hard one; what it is now."""
    global _given
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    if most <= soft:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    _given = soft if _given is None else _given
    return most


def soft_limit() -> int:
    """The soft limit; it bounds their numbers: none that is as high can be opened (getrlimit(2))."""
    limit = os.sysconf("SC_OPEN_MAX")
    return limit if limit >= 0 else 1 << 30


def _open() -> int:
    """How many numbers below the soft limit are in use; all, where there is none left to look with."""
    limit = soft_limit()
    try:
        return sum(int(name) < limit for name in os.listdir("/proc/self/fd")) - 1  # one is the look itself
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        return limit
