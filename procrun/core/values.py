"""Values as people type them: ports, seconds, formations, lists of names."""

import re
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from procrun.core.spec import LONGEST_WAIT, PLATFORMS
from procrun.core.text import plain, shown, there_are

LAST_PORT = 65535
LONGEST_TIME = 100
"""Letters that the time before a line may have."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of what people write behind a number: 90s, 15m."""

_DIRECTIVE = r"%[-_0^#]*[0-9]*[EO]?[a-zA-Z]"


def port(text: str) -> int:
    """A TCP port that a process can listen on. Raises ValueError that says what to give."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= LAST_PORT:
        raise ValueError(f"{shown(text)} is no port; give a number from 1 to {LAST_PORT}")
    return int(text)


def seconds(text: str) -> float:
    """A time in seconds. Raises ValueError that says what to give."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LONGEST_WAIT:  # never true of nan
        raise ValueError(f"{shown(text)} is no time; give seconds, from above 0 to {LONGEST_WAIT}, as in 8 or 0.5")
    return value


def period(text: str) -> float:
    """`90s`, `15m`, `24h` or `1d` in seconds. Raises ValueError that says what to give."""
    found = re.fullmatch(r"([0-9]{1,7})([smhd])", text.strip())
    value = int(found[1]) * UNITS[found[2]] if found is not None else 0
    if not 0 < value <= LONGEST_WAIT:
        most = f"{LONGEST_WAIT // UNITS['d']}d"
        raise ValueError(f"{shown(text)} is no period; give a number and its unit, up to {most}, as in 24h, 15m or 90s")
    return float(value)


def formation(text: str, types: Sequence[str]) -> dict[str, int]:
    """`web=2,worker=1` as counts; `all=N` stands for every type not named.

    Raises ValueError, which says what to give, for an unknown type, a count that is none, or a type named twice.
    """
    counts: dict[str, int] = {}
    for item in split([text]):
        name, equals, number = (part.strip() for part in item.partition("="))
        if not equals or not re.fullmatch(r"[0-9]{1,5}", number):
            raise ValueError(f"{shown(item)} is not TYPE=NUMBER, as in web=2,worker=1")
        if name not in types and name != "all":
            raise ValueError(f"no process type {shown(name)}{there_are(types, name)}")
        if name in counts:
            raise ValueError(f"{shown(name)} is given twice")
        counts[name] = int(number)
    everything = counts.pop("all", None)
    if everything is not None:
        counts = {type_: counts.get(type_, everything) for type_ in types}
    return counts


def split(values: Iterable[str]) -> list[str]:
    """`a,b` and `c` as a, b, c: options that may be given several times take lists, too."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def platform(text: str) -> str:
    """`local`, `heroku` or `server`. Raises ValueError that says so for another word."""
    if text not in PLATFORMS:
        raise ValueError(f"{shown(text)} is no platform; there are: {', '.join(PLATFORMS)}")
    return text


def regex(text: str) -> re.Pattern[bytes]:
    """A regular expression for bytes. Raises ValueError that says what is wrong with it."""
    try:
        return re.compile(text.encode(errors="surrogateescape"))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f'"{plain(text)}" is no regular expression: {error}') from None


def timestamps(text: str) -> str:
    """A format of strftime(3), empty for `off`; `ms` is the time of day with milliseconds. Raises ValueError."""
    if text in ("off", "ms"):
        return "" if text == "off" else "%H:%M:%S.%L"
    known = text.isprintable() and re.search(_DIRECTIVE, text) and all(map(_known, re.findall(_DIRECTIVE, text)))
    shown = time.strftime(text) if known else ""
    if not shown.isprintable() or not 0 < len(shown) <= LONGEST_TIME:  # %n, %99999d
        raise ValueError(f'"{plain(text)}" is no format for a time; give one as in %H:%M:%S, or ms, or off')
    return text


def _known(directive: str) -> bool:
    """Whether strftime(3) knows it: what it does not know it leaves as it is. %L is ours."""
    return directive == "%L" or time.strftime(directive) != directive


_URL = r"http://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-~]*|\?[!-~]*)?"


class Url(NamedTuple):
    """`target` is what the request line asks for."""

    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"http://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """Host and port, as a URL and the header Host have them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read(text: str, port: int) -> Url:
    """A path (`/health`) is asked of `port` on the loopback, a URL of where it leads.

    Raises ValueError that says what to give.
    """
    if re.fullmatch("/[!-~]*", text) and "#" not in text and not text.startswith("//"):
        return Url("127.0.0.1", port, text)
    if text.startswith("https:"):
        raise ValueError('speaks no TLS; ask by command = "curl -fsS …"')
    found = re.fullmatch(_URL, text)
    if found is None or "#" in text or not 0 < int(found[2] or 80) <= LAST_PORT:
        raise ValueError('takes a path, as in "/health", or a URL, as in "http://127.0.0.1:3000/health"')
    target = found[3] or "/"
    return Url(found[1].strip("[]"), int(found[2] or 80), target if target[0] == "/" else f"/{target}")
