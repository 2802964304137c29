"""What `check` finds in a plan that would run, but hardly as meant."""

import os
import re
import shutil
from collections.abc import Iterator

from procrun import shell
from procrun.findings import unaccepted, unused_accepts
from procrun.hints import public
from procrun.model import Entry, Finding
from procrun.nesting import nesting
from procrun.plan import Plan

_GIVEN = {"PORT", "PS"}


def lint(plan: Plan) -> list[Finding]:
    """Every finding that is not accepted, in the order of the files: first those of reading, then those of commands."""
    commands = (finding for entry in plan.sources.entries for finding in _command(plan, entry))
    found = [*plan.sources.findings, *commands, *_watch(plan)]
    config = plan.sources.config
    return unaccepted([*found, *unused_accepts(found, config)], config)


def _command(plan: Plan, entry: Entry) -> Iterator[Finding]:
    variables = plan.sources.environment.variables
    for name in shell.variables(entry.command):
        if name not in variables and name not in _GIVEN:
            hint = f"set it in .env, or give a default: ${{{name}:-…}}"
            yield Finding(entry.where, f"${name} is not set; {hint}", "unset-variable", processes=(entry.name,))
    yield from _program(plan, entry)
    yield from nesting(plan, entry)


def _watch(plan: Plan) -> Iterator[Finding]:
    places = [process.places["watch"] for process in plan.sources.config.processes.values() if process.watch]
    if places:
        from procrun.lookout import CURE, extension  # where files are watched

        if extension() is None:
            yield Finding(places[0], CURE, "missing-watchfiles")


def _program(plan: Plan, entry: Entry) -> Iterator[Finding]:
    program = shell.program(entry.command)
    if program is None or (_changes_folder(entry.command) and "/" in program and program[0] not in "/~"):
        return
    root = plan.sources.root
    path = plan.sources.environment.variables.get("PATH")
    if "/" not in program and path is not None and "$" in path.value:
        return  # `PATH=bin:$PATH` in .env: that is the cause, and it has its own finding
    folders = os.pathsep.join(os.path.join(root, part) for part in path.value.split(os.pathsep)) if path else None
    where = os.path.join(root, os.path.expanduser(program)) if "/" in program else program
    if shutil.which(where, path=folders):
        return
    if "/" not in program:
        code, fault = "not-on-path", "is not found on PATH; install it, or correct the name"
    elif os.path.isdir(where):
        code, fault = "is-directory", "is a directory; name the program in it"
    elif os.path.exists(where):
        code, fault = "not-executable", f"is not executable; chmod +x {public(program)}"
    else:
        fault = f"does not exist in {root}; correct the name" if program[0] not in "/~" else "does not exist"
        code = "missing-program"
    yield Finding(entry.where, f"{public(program)} {fault}", code, processes=(entry.name,))


def _changes_folder(command: str) -> bool:
    return re.search(r"(?:^|[;&\s])(?:cd|chdir)\s", command) is not None
