"""How long a known program waits for its work before it gives up, and the stop sequence that lets it."""

import os
from math import inf
from typing import NamedTuple

from procrun import settings
from procrun.model import Step
from procrun.profile import Config
from procrun.recognition import Recognised, installed_version

DEFAULT = "its default"
"""What says how long a program waits, where nothing else does."""


class Wait(NamedTuple):
    """Seconds, inf for ever, and what says so (`-t 25`, `config/sidekiq.yml`, `its default`)."""

    seconds: float
    said_by: str


def patience(recognised: Recognised, root: str) -> Wait | None:
    """How long it waits for its work after `profile.patience.signal`; None where that cannot be read.

    In the programs' own order: an option, a variable, a file in the app's folder `root`, the default.
    """
    known = recognised.profile.patience
    if known is None:
        return None
    more = recognised.variables.get(known.options_in, "") if known.options_in else ""
    for words, origin in ((recognised.words, ""), (more.split(), f" in {known.options_in}")):
        given = settings.option(words, known.options)
        if given is not None:
            return _wait(given, f"{known.options[0]} {given}{origin}", known.unit)
    for name in known.variables:
        if name in recognised.variables:
            value = recognised.variables[name]
            return _wait(value, f"{name}={value}", known.unit)
    said = _in_file(recognised, known.config, root) if known.config else None
    if said is not None:
        value, file = said
        return _wait(value, file, known.unit)
    return Wait(_default(recognised, root), DEFAULT)


def stop_sequence(recognised: Recognised, root: str) -> tuple[Step, ...]:
    """The profile's sequence for a server, with at least the time that the program itself waits."""
    known = recognised.profile.patience
    wait = patience(recognised, root)
    if known is None or wait is None or wait.seconds == inf:
        return recognised.profile.stop
    needed = wait.seconds + known.margin
    return tuple(
        step._replace(wait=max(step.wait, needed)) if step.signal == known.signal else step
        for step in recognised.profile.stop
    )


def _default(recognised: Recognised, root: str) -> float:
    known = recognised.profile.patience
    assert known is not None
    if known.before is None:
        return known.default
    limit, seconds = known.before
    version = installed_version(recognised, root)
    return known.default if version is None or version >= limit else seconds


def _in_file(recognised: Recognised, config: Config, root: str) -> tuple[str, str] | None:
    """The value and the file that has it; an unclear value is empty."""
    folder = os.path.join(root, recognised.folder)
    file = settings.config_file(config, recognised.words, folder)
    if file is None:
        return None
    environment = settings.environment(recognised.words, recognised.variables)
    found = settings.values(config, settings.text(os.path.join(folder, file)), environment)
    return (found[0] if len(found) == 1 else "", file) if found else None


def _wait(value: str, said_by: str, unit: float) -> Wait | None:
    seconds = settings.number(value)
    return None if seconds is None else Wait(seconds * unit, said_by)
