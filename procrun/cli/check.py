"""Look without touching: check, env."""

import os
from typing import Any

import click

from procrun.cli.click_options import process_names, takes
from procrun.cli.options import APP, FORMATION, PLATFORM, PORT, TIMEOUT
from procrun.cli.printing import show, show_json
from procrun.core.masking import mask
from procrun.core.spec import Spec
from procrun.eventloop import stderr
from procrun.plan.check import lint
from procrun.plan.findings import lines, unaccepted
from procrun.plan.layout import DEFAULTS, Plan, build, instances
from procrun.plan.options import Variable, Wishes
from procrun.plan.sources import Sources, read


@click.command("check")
@takes(*APP, *PORT, *FORMATION, *TIMEOUT, *PLATFORM)
@click.option("--strict", is_flag=True, help="Exit 1 when there is a warning; notes do not count.")
def check_command(strict: bool, **wishes: Any) -> int:
    """Check Procfile, environment and commands without starting anything.

    Warnings (exit 0, or 1 with --strict): lines that are ignored, variables that are not set, commands that /bin/sh
    cannot run, programs that are not on PATH, providers that resolve to nothing, stops that would lose jobs. Notes:
    stops that would cut long requests or may need KILL. Faults exit 2. Each finding ends with its code; `accept` in
    procrun.toml silences those that are meant to be so.
    """
    plan = build(Wishes(**wishes), os.environ)
    names = ", ".join(entry.name for entry in plan.sources.entries)
    show(f"Valid procfile detected ({names})", 2)
    found = lint(plan)
    for line in lines(found):
        show(line, 2)
    return 1 if strict and any(not finding.note for finding in found) else 0


@click.command("env")
@takes(*APP, *PORT)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--reveal", is_flag=True, help="Show secrets as they are.")
@click.argument("name", required=False, shell_complete=process_names)
def env_command(as_json: bool, reveal: bool, name: str | None, **wishes: Any) -> int:
    """Show each variable and where it comes from: file:line, "shell", or "procrun"; secrets are masked.

    With NAME (web, worker.2) as `procrun start` gives it to that instance, PORT and PS included.
    """
    if name is None:
        sources = read(Wishes(**wishes), os.environ, required=False)
        shown = dict(sources.environment.variables)
    else:
        plan = build(Wishes(**wishes, names=(name,), defaults=DEFAULTS), os.environ)
        sources, shown = plan.sources, _of_instance(_in_formation(plan), plan.sources)
    for line in lines(unaccepted(sources.environment.findings, sources.config)):
        stderr.tell(line)
    if not reveal:
        shown = {key: Variable(mask(key, variable.value), variable.source) for key, variable in shown.items()}
    if as_json:
        show_json({key: variable._asdict() for key, variable in sorted(shown.items())})
    else:
        for key, variable in sorted(shown.items()):
            show(f"{key}={variable.value}  # {variable.source}")
    return 0


def _in_formation(plan: Plan) -> Spec:
    """The instance that was named, with the port it has when everything is started, not it alone."""
    first = plan.specs[0]
    return instances(plan._replace(single=None), first.type, int(first.name.rpartition(".")[2]))[-1]


def _of_instance(spec: Spec, sources: Sources) -> dict[str, Variable]:
    """What an instance gets; what procrun sets itself (PORT, PS) is so called, whatever had the name before."""
    given = sources.environment.variables
    ours = {"PORT", "PS"} | (set(spec.env) - set(given))
    return {key: Variable(value, "procrun") if key in ours else given[key] for key, value in spec.env.items()}
