"""Other runs in the folder: what a `start` may not start twice, and what it starts over there."""

import os
import time
from collections.abc import Callable

from procrun.core import run_dir
from procrun.core.errors import ConfigError
from procrun.engines.base import Operation
from procrun.engines.local import Local, LocalRun
from procrun.eventloop import stderr
from procrun.plan.layout import Plan
from procrun.plan.options import Wishes
from procrun.recovery import past_runs
from procrun.run import linked
from procrun.system.host import process_table, subreaper

Follow = Callable[[Operation, bool, bool], int]
"""Has it done, shows how it goes, as JSON where that is wanted, or waits for all to be ready; the exit status."""

_DOWN = {"down", "done"}
"""States in which an instance can be started."""


def take_part(plan: Plan, wishes: Wishes, as_json: bool, wait: bool, follow: Follow) -> Callable[[], int] | None:
    """None when no other run has one of the plan's instances; else what starts those that are down in their run.

    That may take long, and no other `start` need wait for it. Raises ConfigError that says who runs them, and since
    when; ControlError where a run does not say what it has.
    """
    wanted = {spec.name for spec in plan.specs}
    moved = _moved_away(plan.sources.named)
    places = {run.path: f"in {place}" for place, run in moved}
    there = [*Local(plan.sources.root).runs(), *(run for _, run in moved)]
    _look_back(plan.sources.root, wanted)
    overlapping = [(run, sorted(wanted & set(run.states))) for run in there]
    overlapping = [(run, names) for run, names in overlapping if names]
    if not overlapping:
        return None
    for run, names in overlapping:
        running = [name for name in names if run.states[name] not in _DOWN]
        if running or not wishes.names or len(overlapping) > 1:
            raise ConfigError(_taken(run, running or names, places.get(run.path, "here")))
    run, names = overlapping[0]
    if set(names) != wanted:
        raise ConfigError(_taken(run, names, places.get(run.path, "here")))
    return lambda: _start(run, names, as_json, wait, follow)


def followed(root: str, named: str) -> str:
    """The folder of the run that is meant by `named`: `root`, to which it leads, or where it led when the run started.

    The latter, where nothing runs in `root`, is told.
    """
    there = _moved_away(named)
    if not there or (run_dir.sockets(root) and Local(root).runs()):
        return root
    place, run = there[-1]
    stderr.tell(
        f"the procrun with pid {run.pid} was started in {place}, where {named} led then; "
        f"it leads to {os.path.realpath(named)} now"
    )
    return place


def _moved_away(named: str) -> list[tuple[str, LocalRun]]:
    """The living runs that were started by the path `named` when it led elsewhere, with their folders, oldest first."""
    found = []
    for pointer in linked.pointers(named):
        alive = [run for run in Local(pointer.root).runs() if os.path.basename(run.path) == f"{pointer.pid}.sock"]
        found += [(pointer.root, run) for run in alive]
        row = process_table.stat(pointer.pid)
        if not alive and (row is None or not row.alive):
            run_dir.remove(pointer.path)
    return sorted(found, key=lambda each: each[1].since)


def rejoin(root: str, named: str, names: tuple[str, ...], as_json: bool, wait: bool, follow: Follow) -> int | None:
    """Start these names in the one run that has them all and where they are down; None where there is none such."""
    for run in [*Local(root).runs(), *(run for _, run in _moved_away(named))]:
        states = [state for name in names for i, state in run.states.items() if name in (i, i.rpartition(".")[0])]
        if all(run.holds(name) for name in names) and set(states) <= _DOWN:
            return _start(run, list(names), as_json, wait, follow)
    return None


def _look_back(root: str, wanted: set[str]) -> None:
    """Say what became of earlier runs that were cut short, and clear away what has nothing left.

    Raises ConfigError where one of these instances is just being stopped.
    """
    for record, names in past_runs.rescued(root):
        names = sorted(wanted & set(names))
        if names:
            raise ConfigError(
                f"{', '.join(names)}: the procrun with pid {record.front.partition('-')[0]} is still stopping what its "
                "killed supervisor left here; try again in a moment"
            )
    for earlier in past_runs.look_back(root):
        stderr.tell(past_runs.account(earlier) + past_runs.who_lives(earlier.left))


def _start(run: LocalRun, names: list[str], as_json: bool, wait: bool, follow: Follow) -> int:
    """Start them there. What they wait for may never come, so a killed front must not leave this process behind."""
    subreaper.end_with_parent()
    return follow(run.start(names, wait), as_json, wait)


def _taken(run: LocalRun, names: list[str], where: str) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.since))
    verb = "belongs" if len(names) == 1 else "belong"
    return (
        f"{', '.join(names)} {verb} to the procrun with pid {run.pid}, which runs {where} since {since}; "
        "`procrun restart NAME` restarts there, `procrun stop NAME` stops"
    )
