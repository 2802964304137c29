"""The verbs for a running procrun: restart, stop, scale, ps."""

import os
from collections.abc import Callable
from typing import Any

import click

from procrun.cli.click_options import counts, process_names, takes
from procrun.cli.follow import follow
from procrun.cli.options import APP, JSON, TIMEOUT
from procrun.cli.printing import show_json, show_lines
from procrun.core.errors import ConfigError
from procrun.core.text import shown
from procrun.engines.base import Engine, Operation, Run
from procrun.engines.local import Local
from procrun.plan.options import Wishes
from procrun.plan.sources import places

_names = click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=process_names)


def root_of(where: dict[str, Any]) -> str:
    """The folder whose runs are meant: that of the Procfile, or of the release that a link to it led to before."""
    root, named = places(Wishes(**where), os.environ)
    if named == os.path.realpath(root):
        return root
    from procrun.run.other_runs import followed  # where the path has a symbolic link in it

    return followed(root, named)


def engine_of(where: dict[str, Any]) -> Engine:
    """What finds the runs that are meant."""
    return Local(root_of(where))


@click.command("restart")
@takes(*APP, *TIMEOUT, *JSON)
@click.option("--rolling", is_flag=True, help="One instance after the other, up to the first that does not come back.")
@_names
def restart_command(names: tuple[str, ...], timeout: float | None, as_json: bool, rolling: bool, **where: Any) -> int:
    """Restart a process type, an instance (worker.2), or everything, as a Heroku dyno is.

    TERM at once, KILL when the budget is over (10 seconds, or start's or this -t), then start again; all named
    instances in parallel. Prints each step with its time and returns when the new processes run.
    """
    return each(where, names, lambda run, chosen: run.restart(chosen, timeout, rolling), as_json)


@click.command("reload")
@takes(*APP, *JSON)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
def reload_command(dry_run: bool, as_json: bool, **where: Any) -> int:
    """Read Procfile, .env and procrun.toml again, and restart only what they have something new for.

    What is new in the Procfile is started, what is gone from it is stopped; another stop sequence or restart policy is
    taken over without a restart. Of a variable its name is told, never its value. A fault in a file changes nothing.
    """
    meant = engine_of(where).find(())
    if len(meant) > 1 and not dry_run:  # a fault that one of them finds shall leave all of them alone
        for run, _ in meant:
            run.reload(dry_run=True)(lambda step: None)
    return _all([follow(run.reload(dry_run), as_json) for run, _ in meant])


@click.command("stop")
@takes(*APP, *TIMEOUT, *JSON)
@_names
def stop_command(names: tuple[str, ...], timeout: float | None, as_json: bool, **where: Any) -> int:
    """Stop a process type or an instance; without a NAME everything, which ends the run.

    What is stopped by hand stays down until `procrun start NAME` or `procrun restart NAME`.
    """
    meant = engine_of(where).find(names)
    status = _all([follow(run.stop(chosen, timeout), as_json, stops=True) for run, chosen in meant])
    if not names:
        for run, _ in meant:
            run.await_end()
    return status


@click.command("scale")
@takes(*APP)
@click.argument("counts", nargs=-1, required=True, metavar="TYPE=N…", shell_complete=counts)
def scale_command(counts: tuple[str, ...], **where: Any) -> int:
    """Have N instances of a type: the missing ones are started, those with the highest numbers stopped."""
    formation: dict[str, int] = {}
    for item in ",".join(counts).split(","):
        type_, equals, number = item.partition("=")
        if not equals or not number.isdecimal() or len(number) > 5:
            raise ConfigError(f"{shown(item)} is not TYPE=NUMBER, as in web=2", "scale")
        formation[type_] = int(number)
    return follow(_holder(engine_of(where), list(formation)).scale(formation))


@click.command("ps")
@takes(*APP, *JSON)
def ps_command(as_json: bool, **where: Any) -> int:
    """List the instances: state, pid, port, uptime, restarts, CPU, memory, last exit, busy jobs where known.

    CPU is the average since the start, as in ps(1); memory is resident, with all descendants.
    """
    found = [row for run, _ in engine_of(where).find(()) for row in run.ps()]
    if as_json:
        import msgspec

        show_json(msgspec.to_builtins(found))
    else:
        from procrun.control.status_table import status_table

        show_lines(status_table(found))
    return 0


def each(
    where: dict[str, Any], names: tuple[str, ...], verb: Callable[[Run, list[str]], Operation], as_json: bool
) -> int:
    """Have each run that is meant do it, with the names that it has, and follow it; the worst exit status."""
    return _all([follow(verb(run, chosen), as_json) for run, chosen in engine_of(where).find(names)])


def _holder(engine: Engine, types: list[str]) -> Run:
    """The run that has these types; the only one there is may be given new ones."""
    there = engine.runs()
    if len(there) == 1:
        return there[0]
    meant = engine.find(types)
    if len(meant) > 1:
        raise ConfigError(f"{', '.join(types)} belong to different runs; scale them one after the other", "scale")
    return meant[0][0]


def _all(statuses: list[int]) -> int:
    return max(statuses, default=0)
