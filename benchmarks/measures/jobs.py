"""Jobs: what becomes of work in flight, for each form in which a worker is started, under each runner.

The forms are those of tests/apps/cases.py, with real programs and a real Redis. A turn puts the jobs in, starts the
runner, waits until all of them are in flight, and sends one TERM to the runner alone; every runner has its own default
budget. `kill` is no runner: bash runs the line, and TERM goes to what it started, as by kill(1).

Work is counted when nothing of the turn is alive. What a runner leaves behind may work on for as long as procrun's
budget is: nobody ends it on a developer's machine. In a container it would die with the runner.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import proctree
from marks import Child
from report import Goal, Grid, Report
from runners import PROCRUN, Entry, Runner

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.apps import trial
from tests.apps.bed import Store
from tests.apps.cases import CASES, Case
from tests.apps.loads import Outcome
from tests.harness import free_port

KILL = "kill"
PEERS = ("honcho", "foreman")
LIMIT = 12.0
"""Seconds from TERM to the count: procrun's budget, and some for its report."""

RESULT = Path(__file__).parent.parent.parent / "build" / "jobs.json"
"""What docs/make_workers_table.py makes its tables of."""


class Turn(NamedTuple):
    """One case under one runner, in a Redis database of its own."""

    case: Case
    runner: str
    command: list[str]
    url: str
    path: str


class Cell(NamedTuple):
    """What a runner left of a case's work. `hangs`: it was still there at the end. `fault`: it could not be played."""

    outcome: Outcome | None
    hangs: bool = False
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.outcome or '-'}{'; hangs' * self.hangs}"


Rows = dict[str, dict[str, Cell]]
"""By the name of the case, by that of the runner."""


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Every form under every runner, those of one form side by side."""
    taking_part = [runner for runner in runners if runner.name in (PROCRUN, *PEERS)]
    allowed = [case for case in CASES if trial.allowed(case)]
    missing = {case.name: program for case in allowed if (program := trial.missing(case))}
    rows = _rows(taking_part, [case for case in allowed if case.name not in missing])
    _keep(taking_part, rows)
    broken = {f"{name}, {runner}": cell.fault for name, row in rows.items() for runner, cell in row.items()}
    broken |= {name: f"{program} is not installed" for name, program in missing.items()}
    names = [*(runner.name for runner in taking_part), KILL]
    words = {name: [str(row[runner]) for runner in names] for name, row in rows.items()}
    grid = Grid("work in flight, one TERM to the runner", names, words)
    return Report([grid], [_goal(rows)], {name: fault for name, fault in broken.items() if fault})


def _rows(runners: Sequence[Runner], cases: Sequence[Case]) -> Rows:
    at_once = len(runners) + 1
    rows: Rows = {case.name: {} for case in cases}
    with tempfile.TemporaryDirectory(prefix="procrun-bench-") as folder:
        store = Store(Path(folder), databases=len(cases) * at_once)
        path = os.pathsep.join([_ours(runners, Path(folder)), trial.PATH])
        fresh = get_context("spawn")  # forked, all of them would hold the same ports
        with closing(store), ProcessPoolExecutor(at_once, fresh, proctree.become_subreaper) as pool:
            store.open()
            turns = list(_turns(runners, cases, store, path))
            for turn, cell in zip(turns, pool.map(_played, turns), strict=True):
                rows[turn.case.name][turn.runner] = cell
    return rows


def _ours(runners: Sequence[Runner], folder: Path) -> str:
    """A folder with nothing but the procrun that is compared, so that one inside another is the same."""
    program = next(runner.start([])[0] for runner in runners if runner.name == PROCRUN)
    (folder / "bin").mkdir()
    (folder / "bin" / PROCRUN).symlink_to(program)
    return str(folder / "bin")


def _turns(runners: Sequence[Runner], cases: Sequence[Case], store: Store, path: str) -> Iterator[Turn]:
    number = 0
    for case in cases:
        commands = {runner.name: runner.start([Entry(trial.TYPE, case.entry, 1)]) for runner in runners}
        for name, command in {**commands, KILL: ["bash", "-c", case.entry]}.items():
            yield Turn(case, name, command, store.database(number), path)
            number += 1


def _played(turn: Turn) -> Cell:
    """In a process of the pool, to which everything comes that the runner leaves behind."""
    own: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="procrun-bench-") as folder:
        try:
            with trial.made(turn.case, Path(folder), turn.url, free_port(), turn.path) as place:
                own = _below()
                played = trial.play(turn.case, place, turn.command, LIMIT, gone=lambda: not _below() - own)
                return Cell(played.outcome, played.seconds is None)
        except AssertionError as error:
            return Cell(None, fault=" ".join(str(error).split())[:300])
        finally:
            _clear()


def _below() -> set[int]:
    return set(proctree.descendants(os.getpid()))


def _clear() -> None:
    while pids := _below():
        for pid in pids:
            proctree.kill(pid)
        time.sleep(0.01)
    proctree.reap()


def _goal(rows: Rows) -> Goal:
    """In no row is less done, or less kept, than under another runner."""
    flights = {case.name: case.jobs for case in CASES}
    worse = [
        name for name, row in rows.items() if any(_worse(row[PROCRUN], other, flights[name]) for other in row.values())
    ]
    return Goal(
        "no work is lost that another runner keeps", ", ".join(worse) or f"in none of {len(rows)} forms", not worse
    )


def _worse(ours: Cell, other: Cell, flight: int) -> bool:
    """Of `flight` jobs; those that were queued behind them and have not begun are nobody's loss."""
    if ours.outcome is None or other.outcome is None:
        return False
    return ours.outcome.lost > other.outcome.lost or ours.outcome.done < min(other.outcome.done, flight)


def _keep(runners: Sequence[Runner], rows: Rows) -> None:
    """For the tables in the docs."""
    entries = {case.name: case.entry for case in CASES}
    flights = {case.name: case.flight for case in CASES}
    result = {
        "date": date.today().isoformat(),
        "runners": {runner.name: runner.version for runner in runners},
        "rows": [
            {"name": name, "entry": entries[name], "flight": flights[name], **{k: str(v) for k, v in row.items()}}
            for name, row in rows.items()
        ],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
