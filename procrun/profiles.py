"""What procrun knows of programs: one table, told from the words of a command behind its wrappers."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Profile(NamedTuple):
    """A known worker: how it takes its own shutdown time-out, in seconds, and how long it may need beyond it.

    `timeout` is what it waits for its jobs when no option says otherwise; what still runs then it pushes back.
    """

    name: str
    options: tuple[str, ...]
    timeout: float
    margin: float


SIDEKIQ = Profile("sidekiq", ("-t", "--timeout"), 25, 3)
"""Sidekiq 6.4.1: `-t` defaults to 25 (sidekiq.rb:26); jobs that swallow Shutdown take up to 3 s more (measured)."""

_PROFILES = {SIDEKIQ.name: SIDEKIQ}
_WRAPPERS: dict[str, tuple[str, ...]] = {
    "bundle": ("exec",),
    "env": (),
    "exec": (),
    "je": (),
    "ddtrace-run": (),
    "newrelic-admin": ("run-program",),
}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def recognise(words: Sequence[str]) -> Profile | None:
    """The profile of the program that `words` run, behind `bundle exec` and its like; None for an unknown one."""
    rest = list(words)
    while rest and (rest[0] in _WRAPPERS or _ASSIGNMENT.match(rest[0])):
        wrapper = rest.pop(0)
        for word in _WRAPPERS.get(wrapper, ()):
            if rest[:1] == [word]:
                del rest[0]
    return _PROFILES.get(rest[0].rpartition("/")[2]) if rest else None


def shutdown_timeout(profile: Profile, words: Sequence[str]) -> float | None:
    """The seconds this worker waits for its jobs after TERM; None where the option's value cannot be read."""
    for index, word in enumerate(words):
        for option in profile.options:
            if word == option and index + 1 < len(words):
                return _number(words[index + 1])
            joined = word.removeprefix(option).removeprefix("=")
            if word.startswith(option) and word != option and _number(joined) is not None:
                return _number(joined)
    return profile.timeout


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
