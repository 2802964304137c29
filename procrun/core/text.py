"""Makes text safe to show: whatever procrun says to people passes through here, whoever said it first.

A name, a command, a process title, or an answer from another user's socket may hold what a terminal obeys (ECMA-48
controls, ESC and the C1 set), what reorders the letters around it (Unicode's bidirectional overrides), or a newline
that makes one line look like two.
"""

import re
import signal
from typing import NoReturn


def clean(text: str) -> str:
    """`text` on one line, with every character that cannot be printed spelt out: `\\x1b`, `\\n`, `\\u202e`.

    A byte that is not UTF-8 (a surrogate, PEP 383) becomes `\\xff`. Cleaning twice changes nothing more.
    """
    return text if text.isprintable() else "".join(map(_spelt, text))


def clean_lines(text: str) -> str:
    """The same for text that has several lines of procrun's own, such as a table whose cells are clean."""
    return "\n".join(map(clean, text.split("\n")))


def _spelt(letter: str) -> str:
    if letter.isprintable():
        return letter
    return f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else ascii(letter)[1:-1]


PATIENCE = 0.5
"""Seconds that a pattern may search a chunk. Some take for ever on some lines, and nothing may delay a stop."""


def in_time(grep: re.Pattern[bytes], lines: bytes) -> bytes | None:
    """As `matching`; None where that takes longer than PATIENCE. In the main thread only."""
    found = None
    before = signal.signal(signal.SIGALRM, _give_up)  # re asks for signals while it searches
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        found = matching(grep, lines)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except _TooLongError:
        pass
    signal.signal(signal.SIGALRM, before)
    return found


def matching(grep: re.Pattern[bytes] | None, lines: bytes) -> bytes:
    """Those whole lines in which `grep` is found; all where it is None."""
    if grep is None:
        return lines
    return b"".join(line + b"\n" for line in lines[:-1].split(b"\n") if grep.search(line))


class _TooLongError(Exception):
    """The search is over before its end."""


def _give_up(number: int, frame: object) -> NoReturn:
    raise _TooLongError
