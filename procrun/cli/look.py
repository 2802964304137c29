"""Look without touching: check, env."""

import os
import sys
from typing import Any

import click

from procrun.cli.click_options import takes
from procrun.cli.options import APP, FORMATION, PORT, TIMEOUT
from procrun.environment import mask
from procrun.lint import lint
from procrun.model import Variable, Wishes
from procrun.plan import Plan, build


@click.command("check")
@takes(*APP, *PORT, *FORMATION, *TIMEOUT)
@click.option("--strict", is_flag=True, help="Exit 1 when there is a warning.")
def check_command(strict: bool, **wishes: Any) -> int:
    """Check Procfile, environment and commands without starting anything.

    Warnings (exit 0, or 1 with --strict): lines that are ignored, variables that are not set, programs that are not
    on PATH, providers that resolve to nothing, workers whose own time-out does not fit the budget. Faults exit 2.
    """
    plan = build(Wishes(**wishes), os.environ)
    names = ", ".join(entry.name for entry in plan.sources.entries)
    click.echo(f"Valid procfile detected ({names})", err=True)
    findings = lint(plan)
    for finding in findings:
        click.echo(f"{finding.where}: {finding.text}", err=True)
    return 1 if strict and findings else 0


@click.command("env")
@takes(*APP, *PORT)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--reveal", is_flag=True, help="Show secrets as they are.")
@click.argument("name", required=False)
def env_command(as_json: bool, reveal: bool, name: str | None, **wishes: Any) -> int:
    """Show each variable and where it comes from: file:line, "shell", or "procrun"; secrets are masked.

    With NAME (web, worker.2) as that instance gets it, PORT and PS included.
    """
    plan = build(Wishes(**wishes, names=(name,) if name else ()), os.environ)
    shown = _variables(plan, instance=name is not None)
    if not reveal:
        shown = {key: Variable(mask(key, variable.value), variable.source) for key, variable in shown.items()}
    if as_json:
        import json

        rows = {key: variable._asdict() for key, variable in sorted(shown.items())}
        click.echo(json.dumps(rows, indent=2, ensure_ascii=not sys.stdout.encoding.lower().startswith("utf")))
    else:
        for key, variable in sorted(shown.items()):
            click.echo(f"{key}={_one_line(variable.value)}  # {variable.source}")
    return 0


def _variables(plan: Plan, instance: bool) -> dict[str, Variable]:
    given = dict(plan.sources.environment.variables)
    if not instance:
        return given
    return {key: given.get(key) or Variable(value, "procrun") for key, value in plan.specs[0].env.items()} | {
        "PORT": Variable(str(plan.specs[0].port), "procrun")
    }


def _one_line(value: str) -> str:
    """Line ends spelt out, and what the terminal cannot print replaced."""
    return value.replace("\n", "\\n").encode(errors="replace").decode()
