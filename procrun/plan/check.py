"""What `check` finds in a plan that would run, but hardly as meant, and what `start` tells of it."""

from collections.abc import Iterator

from procrun.core.errors import Finding
from procrun.plan import bashisms, executables
from procrun.plan.findings import SIMULATED_BUDGET, unaccepted, unused_accepts
from procrun.plan.layout import Plan
from procrun.plan.options import Entry
from procrun.plan.programs import command_line

_GIVEN = {"PORT", "PS"}


def lint(plan: Plan) -> list[Finding]:
    """Every finding that is not accepted, in the order of the files: first those of reading, then those of commands."""
    commands = (finding for entry in plan.sources.entries for finding in _command(plan, entry))
    found = [*plan.sources.findings, *commands, *_watch(plan)]
    config = plan.sources.config
    unknown = [name for name, manners in plan.manners.items() if not manners.profile]
    return unaccepted([*found, *unused_accepts(found, config, unknown)], config)


def told_at_start(plan: Plan) -> list[Finding]:
    """What `start` tells: the findings of reading, and the warnings about the commands that are to be started."""
    types = {spec.type for spec in plan.specs}
    commands = (finding for entry in plan.types if entry.name in types for finding in _command(plan, entry))
    found = [*plan.sources.findings, *(finding for finding in commands if _is_told(finding))]
    return unaccepted(found, plan.sources.config)


def _is_told(finding: Finding) -> bool:
    return not finding.note or finding.code.endswith(SIMULATED_BUDGET)


def _command(plan: Plan, entry: Entry) -> Iterator[Finding]:
    for code, text in bashisms.faults(entry.command):
        yield Finding(entry.where, text, code, processes=(entry.name,))
    yield from _variables(plan, entry)
    yield from executables.faults(plan, entry)
    if plan.sources.config.where is not None or plan.manners[entry.name].profile:
        from procrun.plan.stop_budget import nesting  # only where anything is known of a program, or configured

        yield from nesting(plan, entry)


def _variables(plan: Plan, entry: Entry) -> Iterator[Finding]:
    variables = plan.sources.environment.variables
    for name in command_line.variables(entry.command):
        if name in variables or name in _GIVEN or (name == "DYNO" and plan.platform == "heroku"):
            continue
        if plan.platform == "heroku" and _is_herokus_own(name):
            text = f"${name} is set by Heroku and not here; set it in .env where the command needs it"
            yield Finding(entry.where, text, "unset-variable", True, (entry.name,))
            continue
        hint = f"set it in .env, or give a default: ${{{name}:-…}}"
        yield Finding(entry.where, f"${name} is not set; {hint}", "unset-variable", processes=(entry.name,))


def _is_herokus_own(name: str) -> bool:
    from procrun.plan.app_json import HEROKUS_OWN  # JSON, so only on that platform

    return name in HEROKUS_OWN


def _watch(plan: Plan) -> Iterator[Finding]:
    places = [process.places["watch"] for process in plan.sources.config.processes.values() if process.watch]
    if places:
        from procrun.eventloop.file_watcher import CURE, extension  # where files are watched

        if extension() is None:
            yield Finding(places[0], CURE, "missing-watchfiles")
