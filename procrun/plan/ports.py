"""`port = "auto"`: the base port that a checkout has for itself, found from its path and remembered."""

import os
import re
import stat
from collections.abc import Iterator
from zlib import crc32

from procrun.core import run_dir, values
from procrun.core.errors import ConfigError
from procrun.plan.config import AUTO
from procrun.plan.options import Variable, Wishes
from procrun.plan.sources import Sources
from procrun.system.host import sockets

FIRST = 10_000
"""The lowest base: below it are the ports that programs have by themselves (3000, 5432, 6379, 8080, 9200)."""

LAST = 32_768
"""Where outgoing connections take theirs from, unless the kernel was told otherwise (ip(7), ip_local_port_range)."""

STEP = 100
"""From one base to the next: what a process type has."""

ROOM = 1_000
"""Ports that a checkout has above its base before the outgoing ones begin: ten process types."""

_FILE = "port"
_LONGEST = 8192


def of_checkout(root: str) -> int:
    """The base of the checkout in `root`: what it had at its last start, else what its real path gives."""
    remembered = _remembered(root)
    if remembered is not None:
        return remembered
    found = bases()
    return found[crc32(os.fsencode(os.path.realpath(root))) % len(found)]  # hashlib costs 3 ms


def bases() -> range:
    """All bases: hundreds from FIRST up to the outgoing ports; up to the usual place where these begin too low."""
    outgoing = sockets.first_outgoing_port() or LAST
    return range(FIRST, (outgoing if outgoing >= FIRST + 2 * ROOM else LAST) - ROOM + 1, STEP)


def after(base: int, types: int) -> Iterator[int]:
    """The other bases: from the first that leaves the ports of so many types above `base` alone, upwards and round."""
    found = list(bases())
    at = next((index for index, other in enumerate(found) if other >= base + STEP * types), 0)
    return (other for other in found[at:] + found[:at] if other != base)


def remember(folder: str, root: str, base: int) -> bool:
    """Have the checkout in `root` keep `base`, in its `folder` for sockets; whether that could be written.

    The path stands there too: a copy of the checkout is another one.
    """
    if _remembered(root) == base:
        return True
    path = os.path.join(folder, _FILE)
    unfinished = f"{path}~"
    try:
        with open(unfinished, "wb") as file:
            file.write(b"%d\n%s" % (base, os.fsencode(os.path.realpath(root))))
        os.rename(unfinished, path)
    except OSError:
        return False
    return True


def _remembered(root: str) -> int | None:
    for folder in run_dir.folders(root):
        number, _, path = _read(os.path.join(folder, _FILE)).partition(b"\n")
        try:
            if path == os.fsencode(os.path.realpath(root)):
                return values.port(number.decode())
        except ValueError:
            continue  # not what we have written
    return None


def _read(path: str) -> bytes:
    """The file's first bytes; none of what is no plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(handle, _LONGEST) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


BASE_PORT = 5000


def _base_port(wishes: Wishes, sources: Sources) -> tuple[int, bool]:
    """`-p` beats `.env` beats the shell beats `procrun.toml` beats 5000; and whether it is the checkout's own."""
    if wishes.port is not None:
        return wishes.port, False
    value, source = sources.environment.variables.get("PORT", Variable("", ""))
    try:
        if value.strip():
            return values.port(value.strip()), False
    except ValueError as error:
        from procrun.plan.env_file import is_name  # where there is a fault

        quotable = is_name(value.strip()) or re.fullmatch(r"\s*[\d._+-]{1,8}\s*", value)  # or a secret in a wrong place
        text = error if quotable else f"its value is no port; give a number from 1 to {values.LAST_PORT}"
        raise ConfigError(f"PORT: {text}", source) from None
    configured = sources.config.port
    if configured == AUTO:
        return of_checkout(sources.root), True
    return int(configured or BASE_PORT), False
