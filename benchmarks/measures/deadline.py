"""Deadline: how long after its budget KILL comes, while siblings flood the stream.

Fifty children answer TERM with the moment at which they saw it, and go on. Four more write as fast as they can and
ignore TERM too. A sample is the moment at which a child was dead, less the one at which it saw TERM, less the
runner's own budget: what the child had, from the child's side. Children and watcher have real-time priority, so
that the kernel's delays at both ends are not in it. First the output is read as fast as it comes, then by nobody, so
that it stands still at a full pipe.

procrun is asked over its control socket to stop one child after the other, so that fifty deadlines fall due one by
one, and then the flood, so that it is read on for that reason through all of them. The others know no such request:
they get one TERM. One willing child is there for honcho, whose clock begins with the first that ends.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import control
from deaths import Deaths, ahead_of_all
from marks import Child
from report import Goal, Report, Spread
from rounds import interleaved
from runners import PROCRUN, Entry, Runner
from session import Session

STUBBORN = 50
FLOOD = "trap '' TERM; until [ -e flood ]; do sleep 0.1; done; exec yes 'a line of one that has too much to say'"
FLOODERS = 4
SETTLE = 1.0
APART = 0.075
GRACE = 5.0  # who lives so long after the budget counts as not killed
LATEST = 100.0


class Outcome(NamedTuple):
    """One run: the milliseconds behind the budget of each that was killed, and how many saw TERM at all."""

    late: list[float]
    told: int


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Milliseconds behind the budget, with the output read and with nobody reading it."""
    read, broken = _half("output read", runners, child, True)
    full, failed = _half("output read by nobody", runners, child, False)
    broken |= failed
    return Report(
        [read, full],
        [_goal([late for half in (read, full) for late in half.samples[PROCRUN][0]], PROCRUN in broken)],
        broken,
    )


def _half(words: str, runners: Sequence[Runner], child: Child, read: bool) -> tuple[Spread, dict[str, str]]:
    killers = [runner for runner in runners if runner.kills_after is not None]
    runs, broken = interleaved(f"deadline, {words}", killers, 1, lambda runner: _once(runner, child, read))
    outcomes = {name: taken[0] for name, taken in runs.items() if taken}
    samples = {runner.name: [outcomes[runner.name].late if runner.name in outcomes else []] for runner in runners}
    notes = {runner.name: "never sends KILL" for runner in runners if runner not in killers}
    notes |= {name: _note(outcome) for name, outcome in outcomes.items()}
    return Spread(f"KILL behind its budget, {STUBBORN} stops in a flood, {words}", "ms", samples, notes), broken


def _once(runner: Runner, child: Child, read: bool) -> Outcome:
    budget = runner.kills_after or 0.0
    stubborn = Entry("a", child.stubborn, STUBBORN)
    others = Entry("flood", FLOOD, FLOODERS), Entry("willing", child.command, 1)
    with _output(read) as output, Session(runner, [stubborn, *others], output) as session:
        pids = [mark.pid for mark in session.up(STUBBORN + 1)]
        (session.folder / "flood").touch()  # not before: foreman could not even start all of them
        time.sleep(SETTLE)
        with closing(Deaths(pids)) as deaths, ahead_of_all(), _stops(runner, session, deaths):
            deaths.watch(time.monotonic() + budget + GRACE)
        told = dict(session.marks.take())
    had = [deaths.moments[pid] - moment for pid, moment in told.items() if pid in deaths.moments]
    return Outcome([1000 * (seconds - budget) for seconds in had], len(told))


@contextmanager
def _stops(runner: Runner, session: Session, deaths: Deaths) -> Iterator[None]:
    """Ask for the stops; who asked waits for the answers meanwhile, as `procrun stop` does."""
    if runner.name != PROCRUN:
        session.terminate()
        yield
        return
    with ExitStack() as clients:
        for name in (*(f"a.{number + 1}" for number in range(STUBBORN)), "flood"):
            clients.enter_context(control.request(session.folder, "stop", names=[name]))
            deaths.watch(time.monotonic() + APART)
        yield


@contextmanager
def _output(read: bool) -> Iterator[int]:
    """The writing end of a pipe that somebody empties as fast as it fills, or nobody."""
    reader, writer = os.pipe()
    drain = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL) if read else None
    try:
        yield writer
    finally:
        os.close(reader)
        os.close(writer)
        if drain is not None:
            drain.kill()
            drain.wait()


def _note(outcome: Outcome) -> str:
    alive = STUBBORN - len(outcome.late)
    words = f"{alive} of {STUBBORN} alive {GRACE:g} s later" if alive else ""
    return words if outcome.told == STUBBORN else f"{words}; {STUBBORN - outcome.told} had no TERM"


def _goal(samples: list[float], broken: bool) -> Goal:
    """All killed, none before its time, all soon after it."""
    text = f"KILL within 0 and {LATEST:g} ms of the budget"
    if broken:
        return Goal(text, "-", None)
    lies = f"{min(samples):.2f} to {max(samples):.2f} ms, " if samples else ""
    met = len(samples) == 2 * STUBBORN and min(samples) >= 0 and max(samples) <= LATEST
    return Goal(text, f"{lies}{len(samples)} of {2 * STUBBORN}", met)
