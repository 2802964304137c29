"""The runners that are compared, and how each is told to start so many children."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PROCRUN = "procrun"


@dataclass(frozen=True, slots=True)
class Runner:
    """One installed runner; `start` makes its command for a formation such as `a=10`.

    `kills_after` is its default of seconds between TERM and KILL; None where it never sends KILL.
    """

    name: str
    version: str
    start: Callable[[str], list[str]]
    kills_after: float | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A runner that cannot take part here, and why."""

    name: str
    reason: str


def procrun(version: str, program: str) -> Runner:
    """Our own."""
    return Runner(PROCRUN, version, lambda sizes: [program, "start", "-f", "Procfile", "-m", sizes], 10.0)


def honcho(version: str, program: str) -> Runner:
    """Python, from PyPI. Its seconds (KILL_WAIT, manager.py) count from the end of the first child that ends."""
    return Runner("honcho", version, lambda sizes: [program, "start", "-f", "Procfile", "-c", sizes], 5.0)


def foreman(version: str, program: str) -> Runner:
    """Ruby, from Debian or RubyGems. Its seconds are those of its option `-t`."""
    return Runner("foreman", version, lambda sizes: [program, "start", "-f", "Procfile", "-m", sizes], 5.0)


def nf(version: str, program: str) -> Runner:
    """JavaScript, from npm, where it is called foreman too."""
    return Runner("nf", version, lambda sizes: [program, "start", "-j", "Procfile", sizes], None)
