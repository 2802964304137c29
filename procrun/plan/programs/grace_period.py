"""How long a known program waits for its work before it gives up, and the stop sequence that lets it."""

import os
from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from procrun.core.spec import Step
from procrun.plan import textfile
from procrun.plan.programs import children, computed, settings
from procrun.plan.programs.profile import Config, Patience
from procrun.plan.programs.recognise import Recognised, installed_version
from procrun.plan.programs.what_runs import Around

DEFAULT = "its default"
"""What says how long a program waits, where nothing else does."""


class _Asked(NamedTuple):
    """Where a setting of a program is looked for: its words, its variables, its folder."""

    words: Sequence[str]
    variables: Mapping[str, str]
    folder: str


class Wait(NamedTuple):
    """Seconds, inf for ever, None where they cannot be read; and what says so (`-t 25`, `config/sidekiq.yml`)."""

    seconds: float | None
    said_by: str


def patience(recognised: Recognised, root: str) -> Wait | None:
    """How long it waits for its work after `profile.patience.signal`; None where its profile has no such wait.

    In the programs' own order: the app's code, an option, a variable, a file in the app's folder `root`, the default.
    """
    known = recognised.profile.patience
    if known is None:
        return None
    return (
        in_code(recognised, root) or _said(known, _asked(recognised, root)) or Wait(_default(recognised, root), DEFAULT)
    )


def in_code(recognised: Recognised, root: str) -> Wait | None:
    """What the app's code sets, said by its file; one that is set to different values cannot be read."""
    known = recognised.profile.patience
    if known is None or known.code is None:
        return None
    from procrun.plan.programs import appcode  # where a program may be set up so

    found = appcode.found(known.code, *_asked(recognised, root))
    if not found:
        return None
    expression, file = found[0]
    try:
        number = computed.number(computed.value(expression.strip(), recognised.variables))
    except computed.UnclearError:
        return Wait(None, file)
    return Wait(number * known.unit if len({each.strip() for each, _ in found}) == 1 else None, file)


def looked_at(recognised: Recognised, root: str) -> str:
    """Where its wait could have been set and is not: `-t is not given, and config/sidekiq.yml does not exist`."""
    known = recognised.profile.patience
    if known is None:
        return ""
    asked = _asked(recognised, root)
    places = [f"{known.options[0]} is not given"] if known.options else []
    places += [f"{name} is not set" for name in known.variables]
    if known.config is not None and (known.config.files or known.config.options):
        file = settings.config_file(known.config, asked.words, asked.folder) or "".join(known.config.files[:1])
        there = file and os.path.exists(os.path.join(asked.folder, file))
        places += [f"{file} has no {known.config.setting}" if there else f"{file} does not exist"] if file else []
    return ", and ".join(filter(None, (", ".join(places[:-1]), "".join(places[-1:]))))


def deadline(recognised: Recognised, root: str) -> tuple[Around, Wait] | None:
    """What kills the program first of all that stands around it, and how long after TERM; None where nothing does."""
    found: list[tuple[float, Around, Wait]] = []
    for around in recognised.around:
        wait = _of_around(around, root)
        if wait.seconds is not None and wait.seconds < inf:
            found.append((wait.seconds, around, wait))
    return min(found, key=lambda each: each[0])[1:] if found else None


def managers_deadline(recognised: Recognised, root: str) -> Wait:
    """How long after TERM a manager kills what it runs: the longest of the times of its programs."""
    known = recognised.profile.deadline
    assert known is not None
    asked = _asked(recognised, root)
    run = children.children(*asked)
    given = [Wait(child.seconds, child.said_by) for child in run.children if child.seconds is not None] if run else []
    usual = _said(known, asked) or Wait(known.default, DEFAULT)
    all_given = run is not None and len(given) == len(run.children) > 0
    return max(given if all_given else [*given, usual], key=lambda wait: wait.seconds or 0)


def stop_sequence(recognised: Recognised, root: str) -> tuple[Step, ...]:
    """The profile's sequence for a server, with at least the time that the command's programs themselves wait."""
    steps = recognised.profile.stop
    for each in (recognised, *recognised.others):
        kept = each.profile.patience or each.profile.deadline
        needed = _needed(each, root)
        if kept is not None and needed is not None and needed < inf:
            longer = (step._replace(wait=max(step.wait, needed)) for step in steps)
            steps = tuple(
                long if step.signal == kept.signal else step for step, long in zip(steps, longer, strict=True)
            )
    return steps


def _needed(recognised: Recognised, root: str) -> float | None:
    """Seconds from its signal until it is gone, by itself or by what kills it; None where that is unknown."""
    known = recognised.profile.patience
    if known is None:
        wait, margin = (managers_deadline(recognised, root), 2.0) if recognised.profile.manager else (None, 0.0)
    else:
        wait, margin = patience(recognised, root), known.margin
    if wait is None or wait.seconds is None:
        return None
    killed = deadline(recognised, root)
    limit = killed[1].seconds if killed is not None else None
    return min(wait.seconds + margin, limit if limit is not None else inf)


def _of_around(around: Around, root: str) -> Wait:
    if around.seconds is not None:
        return Wait(around.seconds, around.said_by)
    asked = _Asked(around.words, around.variables, os.path.join(root, around.folder))
    return _said(around.deadline, asked) or Wait(around.deadline.default, DEFAULT)


def _asked(recognised: Recognised, root: str) -> _Asked:
    return _Asked(recognised.words, recognised.variables, os.path.join(root, recognised.folder))


def _said(known: Patience, asked: _Asked) -> Wait | None:
    """What an option, a variable or a file says; None where none of them does."""
    more = asked.variables.get(known.options_in, "") if known.options_in else ""
    for words, origin in ((asked.words, ""), (more.split(), f" in {known.options_in}")):
        given = settings.option(words, known.options)
        if given is not None:
            return _read(given, f"{known.options[0]} {given}{origin}", known.unit)
    for name in known.variables:
        if name in asked.variables:
            value = asked.variables[name]
            return _read(value, f"{name}={value}", known.unit)
    return _in_file(known, known.config, asked) if known.config else None


def _default(recognised: Recognised, root: str) -> float:
    known = recognised.profile.patience
    assert known is not None
    if known.before is None:
        return known.default
    limit, seconds = known.before
    version = installed_version(recognised, root)
    return known.default if version is None or version >= limit else seconds


def _in_file(known: Patience, config: Config, asked: _Asked) -> Wait | None:
    """What the program's own file says; None where it says nothing."""
    file = settings.config_file(config, asked.words, asked.folder)
    if file is None:
        return None
    environment = settings.environment(asked.words, asked.variables)
    content = textfile.text(os.path.join(asked.folder, file))
    found = settings.seconds(config, file, content, environment, asked.variables)
    return Wait(None if found[0] is None else found[0] * known.unit, file) if found else None


def _read(value: str, said_by: str, unit: float) -> Wait:
    seconds = settings.number(value)
    return Wait(None if seconds is None else seconds * unit, said_by)
