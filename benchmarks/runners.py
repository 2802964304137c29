"""The runners that are compared, and how each is told to start so many children."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PROCRUN = "procrun"


@dataclass(frozen=True, slots=True)
class Runner:
    """One installed runner; `start` makes its command for a formation such as `a=10`."""

    name: str
    version: str
    start: Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A runner that cannot take part here, and why."""

    name: str
    reason: str


def procrun(version: str, program: str) -> Runner:
    """Our own."""
    return Runner(PROCRUN, version, lambda sizes: [program, "start", "-f", "Procfile", "-m", sizes])


def honcho(version: str, program: str) -> Runner:
    """Python, from PyPI."""
    return Runner("honcho", version, lambda sizes: [program, "start", "-f", "Procfile", "-c", sizes])


def foreman(version: str, program: str) -> Runner:
    """Ruby, from Debian or RubyGems."""
    return Runner("foreman", version, lambda sizes: [program, "start", "-f", "Procfile", "-m", sizes])


def nf(version: str, program: str) -> Runner:
    """JavaScript, from npm, where it is called foreman too."""
    return Runner("nf", version, lambda sizes: [program, "start", "-j", "Procfile", sizes])
