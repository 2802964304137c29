"""Compares procrun with other runners on this machine, side by side in one run.

    run.py [NAME ...]      the measures to take: startup, idle, many, deadline, throughput, latency, memory, growth,
                           jobs; all if none is named
    run.py --only honcho   (repeatable) only these runners, with procrun
    run.py --check         exit with 1 when a goal is missed

The runners take turns (A B C D, A B C D, …); figures are medians, and what travels between machines is the
ratio. The exit status is 0, or 1 when a run broke or procrun could not be installed. To add a measure, write
a file in measures/ and its line in MEASURES; in OF_ALL too if runners take part that read no Procfile.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

import install
import machine
import proctree
from compiled import CACHE, compiled
from marks import Child
from measures import deadline, growth, idle, jobs, latency, many, memory, startup, throughput
from report import Report
from runners import PROCRUN, Runner

Measure = Callable[[Sequence[Runner], Child], Report]
MEASURES: dict[str, Measure] = {
    "startup": startup.measure,
    "idle": idle.measure,
    "many": many.measure,
    "deadline": deadline.measure,
    "throughput": throughput.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "jobs": jobs.measure,
}
OF_ALL = {"throughput", "latency", "memory"}


def main() -> int:
    """Run what the command line asks for; the exit status."""
    options = _options()
    CACHE.mkdir(exist_ok=True)
    child = Child(compiled("mark"))
    runners, missing = install.install(CACHE)
    if options.only:
        runners = [runner for runner in runners if runner.name in (PROCRUN, *options.only)]
    print(machine.describe())
    print("runners: " + ", ".join(f"{runner.name} {runner.version}" for runner in runners))
    for runner in missing:
        print(f"left out: {runner.name}: {runner.reason}")
    print(f"children: {child.describe()}", flush=True)
    proctree.become_subreaper()
    reports = [_taken(name, runners, child) for name in options.names or MEASURES]
    failed = _conclude(reports, options.check)
    return 1 if failed or any(runner.name == PROCRUN for runner in missing) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare procrun with its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="measures: " + ", ".join(MEASURES))
    parser.add_argument("--only", action="append", default=[], metavar="RUNNER", help="with procrun")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    for name in options.names:
        if name not in MEASURES:
            parser.error(f"no measure {name!r}; there are {', '.join(MEASURES)}")
    return options


def _taken(name: str, runners: Sequence[Runner], child: Child) -> Report:
    report = MEASURES[name]([one for one in runners if one.reads_procfile or name in OF_ALL], child)
    for table in report.tables:
        print("\n" + "\n".join(table.lines()), flush=True)
    for broken, reason in report.broken.items():
        print(f"  {broken} broke: {reason}", flush=True)
    return report


def _conclude(reports: Sequence[Report], check: bool) -> bool:
    """Print the goals; whether a run broke or, where that is asked, a goal was missed."""
    print("\ngoals")
    for report in reports:
        for goal in report.goals:
            print(goal.line())
    broke = any(report.broken for report in reports)
    missed = any(goal.met is False for report in reports for goal in report.goals)
    return broke or (check and missed)


if __name__ == "__main__":
    sys.exit(main())
