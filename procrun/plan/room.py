"""How long a program has for its work between its signal and KILL, by the stop sequence and the budgets."""

from math import inf
from signal import SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH
from typing import NamedTuple

from procrun.core.spec import Step
from procrun.plan.layout import Plan
from procrun.plan.options import Entry, ProcessConfig
from procrun.plan.programs.profile import Patience
from procrun.plan.programs.recognise import Recognised
from procrun.system.signals import signal_name

_DIAGNOSTIC = frozenset({SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG})
"""Signals after which a program goes on with its work."""


class Case(NamedTuple):
    """A process type: `steps` is its stop sequence, `where` what has to be changed for it.

    Where its options are not `complete`, it was seen to run, and has written over its command line.
    """

    plan: Plan
    entry: Entry
    config: ProcessConfig
    steps: tuple[Step, ...]
    where: str
    complete: bool = True

    @property
    def own_sequence(self) -> bool:
        """Whether the configuration gave the sequence, and it counts."""
        return self.plan.platform == "server" and self.config.stop_sequence is not None


class Room(NamedTuple):
    """How long a program may work on after `signal`: `seconds`, until `end` comes; `before` is what has passed then."""

    signal: str
    before: float
    seconds: float
    end: str
    step: int
    of_total: bool = False


class Work(NamedTuple):
    """A program that waits `seconds` for its work by `kept`, as `said_by`; it needs `needed` from its signal on."""

    known: Recognised
    kept: Patience
    seconds: float
    said_by: str
    needed: float
    room: Room


def room_of(case: Case, kept: Patience) -> Room | None:
    """What the sequence leaves the program for its work; None where the signal for it never comes."""
    graceful = (kept.signal, *kept.also)
    start = next((index for index, step in enumerate(case.steps) if step.signal in graceful), None)
    if start is None:
        return None
    before = sum(step.wait for step in case.steps[:start])
    ends = (index for index in range(start + 1, len(case.steps)) if case.steps[index].signal not in _DIAGNOSTIC)
    end = next(ends, None)
    seconds = sum(step.wait for step in case.steps[start:end]) if end is not None else inf
    room = Room(
        signal=signal_name(case.steps[start].signal),
        before=before,
        seconds=seconds,
        end=signal_name(case.steps[end].signal) if end is not None else "",
        step=start,
    )
    config = case.plan.sources.config
    if case.plan.platform == "server" and config.total_budget is not None:
        left = max(config.total_budget - config.store_budget - before, 0)
        if left < seconds:
            room = room._replace(seconds=left, of_total=True)
    return room


def end_of(case: Case, room: Room) -> str:
    if room.of_total:
        return f"total_budget leaves {room.seconds:g} s for that"
    if case.plan.platform == "server":
        return f"{room.end} comes {room.seconds:g} s after it"
    return f"{room.end} comes at {room.seconds:g} s"
