"""The verdict of a smoke run: what was at fault, in its order, becomes an exit status and a list of checks."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

UNREADY, CRASH, COMMAND, LOG, FORCED, LEFT, SLOW = (
    "not ready",
    "crash",
    "command",
    "log",
    "forced kill",
    "left over",
    "slow restart",
)
"""The kinds of faults."""

STATUSES = {UNREADY: 124, CRASH: 20, COMMAND: 21, LOG: 22, FORCED: 23, LEFT: 24, SLOW: 25}
"""The exit status of each; 124 is that of timeout(1)."""

CMD = "smoke"
"""The name of the command among the instances, which have a number behind theirs."""


class Fault(NamedTuple):
    """Something that makes a smoke run fail.

    `name` is the instance, CMD for the command, or empty; `about` is the pattern of a fault in the log; `lines` are the
    last ones that it wrote, or the one that was found.
    """

    kind: str
    name: str
    text: str
    lines: Sequence[str] = ()
    about: str = ""


class Outcome(NamedTuple):
    """How one instance fared. Seconds; None where it did not come to that.

    `ready_after` counts from its start, `slowest_stop` from the first signal until nothing of it was alive; `memory` is
    the most that its processes had resident, in bytes; `stops` and `restarts` are how many there were.
    """

    name: str
    command: str
    ready_after: float | None = None
    restarts: int = 0
    stops: int = 0
    slowest_stop: float | None = None
    memory: int = 0
    ended: str = "never ran"


class Command(NamedTuple):
    """The command that was run on the ready app: as it was given, and how it ended; empty where it did not run."""

    line: str
    ended: str = ""
    status: int | None = None
    seconds: float = 0.0


class Result(NamedTuple):
    """All of a smoke run. `began` is a Unix time, `seconds` how long it took; `ready_after` when everything was ready.

    `interrupted` is why it was ended before its end, by a signal for one; `restarts` were asked for of each instance.
    """

    faults: Sequence[Fault]
    outcomes: Sequence[Outcome]
    command: Command | None
    patterns: Sequence[str]
    restarts: int
    began: float
    seconds: float
    ready_after: float | None = None
    interrupted: str = ""

    @property
    def word(self) -> str:
        """`passed`, `failed` or `interrupted`."""
        if self.interrupted:
            return "interrupted"
        return "failed" if self.faults else "passed"

    @property
    def status(self) -> int:
        """The exit status: that of the first fault. How an interrupted run ends is not for this to say."""
        return STATUSES[self.faults[0].kind] if self.faults else 0


class Check(NamedTuple):
    """One thing that was checked, of an instance or of the run: it has passed, or `faults`, or was `skipped`."""

    subject: str
    name: str
    seconds: float = 0.0
    faults: Sequence[Fault] = ()
    skipped: str = ""


def checks(result: Result) -> Iterator[Check]:
    """Everything that was checked, in a fixed order."""
    for outcome in result.outcomes:
        yield from _of_instance(result, outcome)
    if result.command is not None:
        found = [fault for fault in result.faults if fault.kind == COMMAND]
        skipped = "" if result.command.status is not None else "was not run to its end"
        yield Check(CMD, result.command.line, result.command.seconds, found, "" if found else skipped)
    for pattern in result.patterns:
        found = [fault for fault in result.faults if fault.kind == LOG and fault.about == pattern]
        yield Check("log", f"no line has {pattern}", 0.0, found)
    yield Check("afterwards", "nothing is left", 0.0, [fault for fault in result.faults if fault.kind == LEFT])


def _of_instance(result: Result, outcome: Outcome) -> Iterator[Check]:
    def check(kind: str, name: str, seconds: float | None, did: bool) -> Check:
        found = [fault for fault in result.faults if fault.kind == kind and fault.name == outcome.name]
        skipped = "" if did or found else "did not come to that"
        return Check(outcome.name, name, seconds or 0.0, found, skipped)

    yield check(UNREADY, "becomes ready", outcome.ready_after, outcome.ready_after is not None)
    yield check(CRASH, "does not crash", 0.0, True)
    if result.restarts:
        yield check(SLOW, "restarts inside its budget", outcome.slowest_stop, outcome.restarts >= result.restarts)
    yield check(FORCED, "stops inside its budget", outcome.slowest_stop, outcome.stops > 0)
