"""Makes text safe to show: whatever procrun says to people passes through here, whoever said it first.

A name, a command, a process title, or an answer from another user's socket may hold what a terminal obeys (ECMA-48
controls, ESC and the C1 set), what reorders the letters around it (Unicode's bidirectional overrides), or a newline
that makes one line look like two.
"""

import os
import re
import signal
from collections.abc import Iterable
from typing import NoReturn

from procrun.core.errors import ConfigError


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


_MOST_SHOWN = 40


def shown(value: object) -> str:
    """A wrong value as one short line: text in quotes without secrets, numbers as they are, others by kind."""
    if isinstance(value, str):
        return f'"{plain(public(value))}"'
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**_MOST_SHOWN:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value)
    kinds: dict[type, str] = {dict: "a table", list: "a list", tuple: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def public(text: str) -> str:
    """What of a text that somebody wrote into a file may be shown: the password of a URL, say, is `****`."""
    from procrun.core.masking import mask  # where there is a fault

    return mask("", text)


def plain(text: str, most: int = _MOST_SHOWN) -> str:
    """A name or value in a message: what cannot be printed is escaped, and one of more letters than `most` is cut."""
    return clean(text if len(text) <= most else text[: most - 1] + "…")


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`; did you mean "after"?` where one of `known` is close to `word`, else `otherwise`."""
    from difflib import get_close_matches  # 6 ms, so only when there is a fault

    close = get_close_matches(word[:_MOST_SHOWN], known, 1)
    return f'; did you mean "{close[0]}"?' if close else otherwise


def there_are(names: Iterable[str], word: str) -> str:
    """`; there are: web, worker; did you mean "worker"?` for a `word` that is none of them."""
    known = list(names)
    return f"; there are: {', '.join(known)}{did_you_mean(word, known)}"


def decoded(data: bytes, name: str) -> str:
    """The text of a file, without a BOM. Raises ConfigError with line and column where it is no UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        raise ConfigError("is no UTF-8; save the file as plain UTF-8", place(name, before, len(before))) from None


def place(name: str, text: str, position: int) -> str:
    """`procrun.toml:7:3` for the character at `position` (from 0) of `text`."""
    before = text[:position]
    return f"{name}:{before.count(chr(10)) + 1}:{position - before.rfind(chr(10))}"


def from_here(path: str) -> str:
    """A path as one would type it: from the current folder, where it is below that."""
    return path.removeprefix(os.path.join(os.getcwd(), ""))
