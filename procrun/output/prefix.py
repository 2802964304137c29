"""What stands before a line: the time, the name of its instance, a colour."""

import time
from typing import NamedTuple
from zlib import crc32

from procrun.core.text import clean

OURS = "procrun"
"""The name under which procrun itself speaks in the stream."""

CLOCK = "%H:%M:%S"
MILLISECONDS = "%L"
"""What strftime(3) does not know: three digits, as in Ruby."""

_PALETTE = (
    *(b"36", b"33", b"32", b"35", b"34", b"96", b"93", b"92", b"95", b"94"),
    *(b"38;5;208", b"38;5;141", b"38;5;117", b"38;5;180", b"38;5;43", b"38;5;205"),
)


class Look(NamedTuple):
    """How lines are to look: `width` is that of the longest name, `timestamps` a format of strftime(3) or empty.

    `tame` for a terminal, and for what shows colours: lines may not move the cursor nor colour each other.
    """

    width: int = len(OURS)
    colour: bool = False
    timestamps: str = CLOCK
    prefix: bool = True
    tame: bool = False


class Prefix:
    """Makes prefixes as `look` wants them; each is made once a second, unless milliseconds are wanted."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._fine = MILLISECONDS in look.timestamps
        self._second = -1
        self._clock = b""
        self._made: dict[str, bytes] = {}

    def before(self, name: str, at: float) -> bytes:
        """What stands before a line of `name` of the Unix time `at`; empty where no prefix is wanted."""
        if int(at) != self._second or self._fine:
            self._second = int(at)
            self._made.clear()
            self._clock = self._time(at)
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def _make(self, name: str) -> bytes:
        look = self._look
        if not look.prefix:
            return b""
        text = self._clock + clean(name).encode().ljust(look.width) + b" | "
        return b"\x1b[%bm%b\x1b[0m" % (colour(name), text) if look.colour else text

    def _time(self, at: float) -> bytes:
        format_ = self._look.timestamps
        if not format_:
            return b""
        if self._fine:
            digits = f"{int(at % 1 * 1000):03}"
            format_ = "%%".join(part.replace(MILLISECONDS, digits) for part in format_.split("%%"))
        return time.strftime(format_ + " ", time.localtime(at)).encode(errors="surrogateescape")


def put(prefix: bytes, lines: bytes) -> bytes:
    """Whole lines, each behind the prefix, in one bulk operation."""
    if not prefix:
        return lines
    one_too_many = lines.replace(b"\n", b"\n" + prefix)
    return prefix + memoryview(one_too_many)[: -len(prefix)]


def colour(name: str) -> bytes:
    """The same name has the same colour in every run; procrun itself is white."""
    return b"1" if name == OURS else _PALETTE[crc32(name.encode(errors="surrogateescape")) % len(_PALETTE)]
