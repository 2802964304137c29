"""What `check` finds in a plan that would run, but hardly as meant."""

import os
import re
import shutil
from collections.abc import Iterator

from procrun import profiles, shell
from procrun.model import Entry, Finding
from procrun.plan import Plan

_GIVEN = {"PORT", "PS"}
_EXPANSION = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?-([^{}]*))?\}|([A-Za-z_]\w*))")


def lint(plan: Plan) -> list[Finding]:
    """Every finding, in the order of the files: first those of reading, then those of each command."""
    return [*plan.sources.findings, *(finding for entry in plan.sources.entries for finding in _command(plan, entry))]


def _command(plan: Plan, entry: Entry) -> Iterator[Finding]:
    variables = plan.sources.environment.variables
    for name in shell.variables(entry.command):
        if name not in variables and name not in _GIVEN:
            hint = f"set it in .env, or give a default: ${{{name}:-…}}"
            yield Finding(entry.where, f"{entry.name} uses ${name}, which is not set; {hint}")
    yield from _program(plan, entry)
    yield from _budget(plan, entry)


def _program(plan: Plan, entry: Entry) -> Iterator[Finding]:
    program = shell.program(entry.command)
    if program is None:
        return
    path = plan.sources.environment.variables.get("PATH")
    where = os.path.join(plan.sources.root, os.path.expanduser(program)) if "/" in program else program
    if shutil.which(where, path=path.value if path else None):
        return
    if "/" not in program:
        yield Finding(entry.where, f"{entry.name}: {program} is not found on PATH; install it, or correct the name")
    elif os.path.exists(where):
        yield Finding(entry.where, f"{entry.name}: {program} is not executable; chmod +x it")
    else:
        yield Finding(entry.where, f"{entry.name}: {program} does not exist")


def _budget(plan: Plan, entry: Entry) -> Iterator[Finding]:
    """A worker's own wait for its jobs, and what it needs after it, must fit between TERM and KILL."""
    words = [_expand(plan, word) for word in shell.words(entry.command)]
    profile = profiles.recognise(words)
    if profile is None:
        return
    timeout = profiles.shutdown_timeout(profile, words)
    if timeout is None or timeout + profile.margin <= plan.budget:
        return
    option = profile.options[0]
    given = f"waits {timeout:g} s for its jobs after TERM ({option} {timeout:g})"
    fitting = max(1, plan.budget - profile.margin - 1)
    cure = f"use {option} {fitting:g}, or a longer budget: start -t {timeout + profile.margin:g}"
    if timeout >= plan.budget:
        loss = f"KILL comes at {plan.budget:g} s and every job in flight is lost"
    else:
        loss = f"it may need {profile.margin:g} s more, and KILL comes at {plan.budget:g} s"
    yield Finding(entry.where, f"{entry.name}: {profile.name} {given}; {loss}; {cure}")


def _expand(plan: Plan, word: str) -> str:
    """`${SIDEKIQ_TIMEOUT:-8}` as the shell would see it, as far as that is simple."""

    def value(match: re.Match[str]) -> str:
        variable = plan.sources.environment.variables.get(match[1] or match[3])
        return variable.value if variable else match[2] or ""

    return _EXPANSION.sub(value, word)
