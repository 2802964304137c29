"""Idle: how often the runner's own processes wake while ten children sleep.

A wakeup is a context switch, voluntary or not, of any thread of the runner or of its helpers; the children
and the shells around them are not counted. This counts and does not time, so all runners idle side by side
through the same windows, which follow one another without a gap.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import proctree
from errors import BenchError
from marks import Child
from report import Report, Table, zero_goal
from runners import Entry, Runner
from session import Session

CHILDREN = 10
SETTLE = 3.0
WINDOWS = 9
WINDOW = 5.0


def measure(runners: Sequence[Runner], child: Child) -> Report:
    """Wakeups in each window."""
    broken: dict[str, str] = {}
    own: dict[str, list[int]] = {}
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for runner in runners:
            session = stack.enter_context(Session(runner, [Entry("a", child.command, CHILDREN)]))
            try:
                session.up(CHILDREN)
                sessions[runner.name] = session
            except BenchError as error:
                broken[runner.name] = str(error)
        time.sleep(SETTLE)
        own = {name: session.own_processes(child) for name, session in sessions.items()}
        samples = _windows(own)
    notes = {name: _processes(len(pids)) for name, pids in own.items()}
    title = f"Idle, {CHILDREN} sleeping children: wakeups of the runner's own processes in {WINDOW:g} s"
    table = Table(title, "wakeups", samples, notes)
    return Report([table], [zero_goal("idle wakeups", table)], broken)


def _windows(own: dict[str, list[int]]) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in own}
    before = {name: proctree.switches(pids) for name, pids in own.items()}
    for _ in range(WINDOWS):
        time.sleep(WINDOW)
        for name, pids in own.items():
            now = proctree.switches(pids)
            samples[name].append(float(now - before[name]))
            before[name] = now
    return samples


def _processes(count: int) -> str:
    return f"{count} process{'es' if count > 1 else ''}"
