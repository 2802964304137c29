"""Which known program a command runs, told from its words behind its wrappers."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from procrun.profiles import SIDEKIQ, Profile


class Wait(NamedTuple):
    """How long a worker waits for its jobs after TERM, and what says so (`-t 25`, `config/sidekiq.yml`)."""

    seconds: float
    said_by: str


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
    return SIDEKIQ if rest and rest[0].rpartition("/")[2] in SIDEKIQ.programs else None


def shutdown_wait(profile: Profile, words: Sequence[str], root: str) -> Wait | None:
    """How long this worker waits for its jobs after TERM; None where that cannot be read. `root` is its folder."""
    patience = profile.patience
    if patience is None or patience.config is None:
        return None
    given = _option(words, patience.options)
    if given is not None:
        seconds = _number(given)
        return None if seconds is None else Wait(seconds, f"{patience.options[0]} {given}")
    name = _option(words, patience.config.options) or patience.config.files[0]
    lines = re.findall(rf"(?m)^(\s*):?{patience.config.setting}:\s*(\S+)", _text(os.path.join(root, name)))
    if not lines:
        return Wait(patience.default, "its default")
    indent, value = lines[-1]
    seconds = _number(value)
    # An indented one holds for one environment only, and which that is is not known here.
    return None if indent or len(lines) > 1 or seconds is None else Wait(seconds, name)


def _option(words: Sequence[str], options: Sequence[str]) -> str | None:
    """The value of an option: `-t 8`, `-t8`, `--timeout=8`."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        for option in options:
            if word == option:
                return following
            if option.startswith("--") and word.startswith(f"{option}="):
                return word.partition("=")[2]
            if not option.startswith("--") and word.startswith(option):
                return word.removeprefix(option).removeprefix("=")
    return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) else None
