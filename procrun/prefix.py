"""What stands before a line: the time, the name of its instance, a colour."""

import time
from typing import NamedTuple
from zlib import crc32

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
    """Makes prefixes as `look` wants them; the time is worked out once a second, unless milliseconds are wanted."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._second = 0
        self._clock = b""

    def before(self, name: str, at: float) -> bytes:
        """What stands before a line of `name` of the Unix time `at`; empty where no prefix is wanted."""
        look = self._look
        if not look.prefix:
            return b""
        text = name.encode(errors="surrogateescape").ljust(look.width) + b" | "
        if look.timestamps:
            text = self._time(look.timestamps, at) + text
        return b"\x1b[%bm%b\x1b[0m" % (colour(name), text) if look.colour else text

    def _time(self, format_: str, at: float) -> bytes:
        second = int(at)
        if MILLISECONDS in format_:
            digits = f"{int(at % 1 * 1000):03}"
            format_ = "%%".join(part.replace(MILLISECONDS, digits) for part in format_.split("%%"))
        elif second == self._second:
            return self._clock
        self._second = second
        self._clock = time.strftime(format_ + " ", time.localtime(at)).encode(errors="surrogateescape")
        return self._clock


def put(prefix: bytes, lines: bytes) -> bytes:
    """Whole lines, each behind the prefix, in one bulk operation."""
    return prefix + lines[:-1].replace(b"\n", b"\n" + prefix) + lines[-1:] if prefix else lines


def colour(name: str) -> bytes:
    """The same name has the same colour in every run; procrun itself is white."""
    return b"1" if name == OURS else _PALETTE[crc32(name.encode(errors="surrogateescape")) % len(_PALETTE)]
