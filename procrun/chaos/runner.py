"""Performs a plan of faults on running instances, and watches whether everything recovers and nothing is left."""

import signal
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import NamedTuple, Protocol

from procrun.chaos.faults import Flood, Injection, Kill, Stop, takes_floods
from procrun.chaos.schedule import Fault, Outcome
from procrun.control.client import HELLO_TIMEOUT
from procrun.control.protocol import Row
from procrun.core.errors import ProcrunError, SilentError
from procrun.core.events import duration
from procrun.eventloop.loop import Loop, Timer
from procrun.system.host import process_table
from procrun.system.signals import STOPPING

RUNNING = ("up", "ready", "quiet", "starting", "unready")
"""States in which an instance can take a fault, and to which it must come back."""

SETTLED = 0.25
"""Seconds that an instance must be up after a fault to count as recovered; as long as procrun itself waits."""

STEADY = 1.0
"""Seconds that everything must be up at the end: what crashes at once is up, too, for a moment."""

LOOK_EVERY = 0.1
"""Seconds between two looks at what has not recovered yet."""

ONE_FLOOD, ALL_FLOODS = 50_000_000, 1_000_000_000
"""Bytes that one flood, and that all of a plan together, may write: it may be a log file that takes them."""


class Run(Protocol):
    """A run whose instances take the faults."""

    @property
    def title(self) -> str:
        """What messages call it."""

    def ps(self, at_once: bool = False) -> list[Row]:
        """How each instance is; `at_once` leaves the run HELLO_TIMEOUT seconds."""


class Report(NamedTuple):
    """What became of a plan that took `lasted` seconds: `slowest` is the longest wait for one of its `answers`.

    `trouble` has a line for each thing that did not recover or was left; `interrupted` is the signal that ended it.
    """

    outcomes: Sequence[Outcome]
    lasted: float
    answers: int
    slowest: float
    trouble: Sequence[str]
    interrupted: int | None

    @property
    def ok(self) -> bool:
        """Whether everything recovered and nothing is left."""
        return not self.trouble and self.interrupted is None


def targets(up: Sequence[Row], kinds: Sequence[str], named: bool) -> tuple[Mapping[str, list[str]], list[str]]:
    """The instances that each kind of fault may be done to, and a line for each reason to leave others out.

    Nobody is killed who would not be started again, nor a store that was not `named`.
    """
    chosen: dict[str, list[str]] = {kind: [] for kind in kinds}
    exempt: dict[tuple[str, str], list[str]] = {}
    for row in up:
        for kind in kinds:
            why = _exempt(kind, row, named)
            (exempt.setdefault((kind, why), []) if why else chosen[kind]).append(row.name)
    return chosen, [f"no {kind} for {', '.join(names)}: {why}" for (kind, why), names in exempt.items()]


def _exempt(kind: str, row: Row, named: bool) -> str:
    if kind == "kill" and row.restart == "never":
        return 'it would not be started again; set restart = "on-failure" in procrun.toml'
    if kind == "kill" and row.store and not named:
        return "a store may lose what it has not saved; give its name to have it killed"
    if kind == "flood" and not (row.pid is not None and takes_floods(row.pid)):
        return "its output does not go to procrun"
    return ""


class _Trial:
    """One fault under way. `over` is when it ended, on the monotonic clock."""

    def __init__(self, fault: Fault, at: float) -> None:
        self.fault = fault
        self.at = at
        self.injection: Injection | None = None
        self.over = 0.0
        self.recovered: float | None = None
        self.note = ""

    @property
    def pending(self) -> bool:
        return self.injection is not None and self.recovered is None

    def look(self, leader: int | None, uptime: float) -> None:
        """It is up, since `uptime` seconds: see whether that is a recovery, and when it was.

        A child's death may end its leader, a moment later: so nothing is said in that moment.
        """
        injection, since = self.injection, monotonic() - self.over
        if injection is None or injection.lasts() or injection.left(leader):
            return
        kill = self.fault.kind == "kill"
        if uptime >= SETTLED and (since >= SETTLED or not kill):
            started_again = since - uptime
            self.recovered = max(0.0, started_again if started_again > 0 or kill else since)

    def outcome(self) -> Outcome:
        did = self.injection
        if did is None:
            return Outcome(self.fault, self.at, None, None, self.note)
        return Outcome(self.fault, self.at, did.pid, self.recovered, self.note, did.child, did.written)


def _left(trial: _Trial, leader: int | None) -> list[str]:
    """A line for each process that a fault has left behind."""
    name, how = trial.fault.instance, "stopped" if trial.fault.kind == "stop" else "alive"
    left = trial.injection.left(leader) if trial.injection is not None else []
    return [f"left of {name}: pid {row.pid} ({process_table.title(row.pid)}) is still {how}" for row in left]


class Chaos:
    """One plan on the runs that have its instances; `patience` is how many seconds everything has to recover."""

    def __init__(self, runs: Sequence[Run], faults: Sequence[Fault], patience: float) -> None:
        self._runs = runs
        self._faults = faults
        self._patience = patience
        self._loop = Loop()
        self._trials: list[_Trial] = []
        self._before: set[str] = set()
        self._answers: list[float] = []
        self._trouble: list[str] = []
        self._interrupted: int | None = None
        self._begun = 0.0
        self._deadline = 0.0
        self._next_look: Timer | None = None

    def run(self) -> Report:
        """Do everything, and wait until it has recovered. Whatever happens, what was stopped goes on at the end."""
        self._heed()
        self._begun = monotonic()
        self._before = {name for name, row in self._look().items() if row.state in RUNNING}
        for fault in self._faults:
            self._loop.at(self._begun + fault.at, lambda fault=fault: self._strike(fault))  # type: ignore[misc]
        try:
            self._loop.run()
        finally:
            for trial in self._trials:
                self._end(trial)
                trial.note = trial.note or ("not waited for" if trial.pending and self._interrupted else "")
        lasted = monotonic() - self._begun
        outcomes = [trial.outcome() for trial in self._trials]
        slowest = max(self._answers, default=0.0)
        return Report(outcomes, lasted, len(self._answers), slowest, self._trouble, self._interrupted)

    def _heed(self) -> None:
        """A signal that stops ends everything early; Ctrl-Z would keep what is stopped here stopped, and is ignored."""
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        heard = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP]
        self._loop.signals({number: lambda number=number: self._interrupt(number) for number in heard})  # type: ignore[misc]

    def _interrupt(self, number: int) -> None:
        self._interrupted = number
        self._loop.stop()

    # What is done

    def _strike(self, fault: Fault) -> None:
        """Begin a fault, and ask the run at once how it is."""
        row = self._look().get(fault.instance)
        if self._loop.stopped:
            return
        trial = _Trial(fault, monotonic() - self._begun)
        self._trials.append(trial)
        if row is None or row.pid is None or row.state not in RUNNING:
            trial.note = f"skipped: {row.state if row is not None else 'not there any more'}"
        else:
            self._inject(trial, row.pid)
        if fault is self._faults[-1]:
            self._deadline = max(monotonic(), *(trial.over for trial in self._trials)) + self._patience
        self._watch()

    def _inject(self, trial: _Trial, leader: int) -> None:
        fault = trial.fault
        try:
            if fault.kind == "kill":
                trial.injection = Kill(fault.instance, leader, fault.child)
            elif fault.kind == "stop":
                trial.injection = Stop(fault.instance, leader)
            else:
                floods = sum(other.kind == "flood" for other in self._faults)
                line = f"procrun chaos: flood {fault.number}\n".encode()
                most = min(ONE_FLOOD, ALL_FLOODS // floods)
                trial.injection = Flood(leader, line, fault.seconds, most)
        except OSError as error:
            trial.note = f"skipped: {error.strerror or error}"
            return
        self._before.add(fault.instance)
        trial.over = monotonic() + fault.seconds
        if fault.seconds:
            self._loop.at(trial.over, lambda: self._end_and_look(trial))

    def _end(self, trial: _Trial) -> None:
        if trial.injection is not None and trial.injection.lasts():
            trial.injection.end()
            trial.over = monotonic()

    def _end_and_look(self, trial: _Trial) -> None:
        self._end(trial)
        self._watch()

    # What is seen

    def _watch(self) -> None:
        """Look now, and again as long as something has not recovered."""
        if self._next_look is not None:
            self._next_look.cancel()
        there = self._look()
        for trial in self._trials:
            row = there.get(trial.fault.instance)
            if trial.pending and row is not None and row.state in RUNNING:
                trial.look(row.pid, row.uptime or 0.0)
        if self._deadline and not self._loop.stopped:
            missing = self._missing(there)
            if monotonic() >= self._deadline or not missing:
                self._trouble += missing
                self._loop.stop()
        if self._deadline or any(trial.pending for trial in self._trials):
            self._next_look = self._loop.after(LOOK_EVERY, self._watch)

    def _missing(self, there: Mapping[str, Row]) -> list[str]:
        """A line for each thing that is not as it was before."""
        lines = []
        for name in sorted(self._before):
            row = there.get(name)
            if row is None or row.state not in RUNNING:
                how = f" (last exit: {row.last_exit})" if row is not None and row.last_exit else ""
                lines.append(f"{name} is {row.state if row is not None else 'not there any more'}{how}")
            elif (row.uptime or 0.0) < STEADY:
                lines.append(f"{name} was started again {duration(row.uptime or 0.0)} ago: it does not stay up")
        for trial in self._trials:
            row = there.get(trial.fault.instance)
            lines += _left(trial, row.pid if row is not None else None)
        late = {trial.fault.instance for trial in self._trials if trial.pending}
        lines += [f"{name} has not recovered" for name in sorted(late) if not lines]
        return list(dict.fromkeys(lines))

    def _look(self) -> dict[str, Row]:
        """All instances as their runs tell; a run that does not answer, or has ended, is trouble and ends it all."""
        found: dict[str, Row] = {}
        for run in self._runs if not self._loop.stopped else ():
            asked = monotonic()
            try:
                found |= {row.name: row for row in run.ps(at_once=True)}
            except SilentError:
                self._lose(f"{run.title} gave no answer for {HELLO_TIMEOUT:g} s")
            except (OSError, ProcrunError):
                self._lose(f"{run.title} has ended")
            self._answers.append(monotonic() - asked)
        return found

    def _lose(self, line: str) -> None:
        self._trouble.append(line)
        self._loop.stop()
