"""All instances of one run: names to processes, what ends the run, and what is told to whom."""

import os
import signal
from collections.abc import Callable, Iterable
from time import time
from typing import NamedTuple

from procrun import proc
from procrun.family import Family
from procrun.lifecycle import State
from procrun.loop import Loop
from procrun.model import Exit, Happening, Spec, Stat
from procrun.process import Output, Process, Surroundings
from procrun.stopping import exit_status

Listener = Callable[[Process, Happening], None]
OnEnd = Callable[[str, "Verdict"], None]


class Verdict(NamedTuple):
    """How the run ends: with an exit status, or by the signal it was told to stop with."""

    status: int
    signal: int | None = None


class Supervisor:
    """Starts, stops and restarts instances, and knows when the run is over.

    `listener` hears of everything that happens, and `on_end` why the run should end; it answers by `end`.
    """

    def __init__(self, run: str, loop: Loop, output: Output, listener: Listener, on_end: OnEnd) -> None:
        self.since = time()
        self.processes: dict[str, Process] = {}
        self.verdict: Verdict | None = None
        self.family = Family(run)
        self._loop = loop
        self._listener = listener
        self.on_end = on_end
        self._errands: list[Errand] = []
        stdin, self._stdin_writer = os.pipe()  # stays open and silent: watchers quit at end of file
        self._around = Surroundings(loop, self.family, output, stdin, self._told)

    # What is asked of it

    def start(self, specs: Iterable[Spec]) -> None:
        """Start these instances, new ones included."""
        for spec in specs:
            self.processes.setdefault(spec.name, Process(spec, self._around)).start()

    def carry_out(self, errand: "Errand", act: Callable[[], object]) -> None:
        """Act, watch over the errand until everything it is about has settled, and let it report."""
        self._errands.append(errand)
        act()
        self._loop.after(0, self._check_errands)

    def forget(self, errand: "Errand") -> None:
        """The client of this errand has gone."""
        if errand in self._errands:
            self._errands.remove(errand)

    def remove(self, names: Iterable[str]) -> None:
        """Forget instances that are down: they are no part of the formation any more."""
        for name in names:
            if self.processes[name].state is State.DOWN:
                del self.processes[name]

    def end(self, verdict: Verdict) -> None:
        """Stop everything; the first verdict stands."""
        if self.verdict is None:
            self.verdict = verdict
            for process in list(self.processes.values()):
                process.stop()
            self._check_over()

    def alive(self) -> list[Process]:
        """The instances of which something is alive."""
        return [process for process in self.processes.values() if process.state is not State.DOWN]

    def hurry(self) -> None:
        """Go one step on in every stop sequence that is under way."""
        for process in list(self.processes.values()):
            process.hurry()

    def freeze(self, number: int) -> None:
        """Pass STOP or CONT on to everything."""
        for process in self.processes.values():
            process.freeze(number)

    def sweep(self) -> list[Stat]:
        """Kill what is left and could not be attributed to any instance; what it was."""
        self.family.changed()
        left = self.family.everybody()
        for row in left:
            try:
                proc.send(signal.SIGKILL, row)
            except PermissionError:
                pass  # another user's: it was reported with its instance
        return left

    def resume_reading(self) -> None:
        """The output takes lines again."""
        for process in self.processes.values():
            process.resume()

    # What happens

    def reap(self) -> None:
        """SIGCHLD: bury the dead, adopted ones too, and see what they left."""
        leaders = {process.pid: process for process in self.processes.values() if process.pid}
        while (info := _dead_child()) is not None:
            process = leaders.get(info.si_pid)
            if process is not None:
                process.exited(_exit(info))
        self.family.changed()
        for process in list(self.processes.values()):
            process.check_gone()
        self._check_over()

    def _told(self, process: Process, happening: Happening) -> None:
        self._listener(process, happening)
        for errand in self._errands:
            if happening.name in errand.names:
                errand.progress(happening)
        ended = happening.what in ("exited", "failed") and process.state is State.UP
        if ended and process.last_exit is not None and self.verdict is None:
            self._ended_by_itself(process, process.last_exit)
        # Not from here: the process, or the errand, may be in the middle of a change.
        self._loop.after(0, self._check_errands)

    def _ended_by_itself(self, process: Process, end: Exit) -> None:
        self._loop.after(0, lambda: self.on_end(f"{process.spec.name} ended the run", Verdict(exit_status(end))))

    def _check_errands(self) -> None:
        for errand in list(self._errands):
            if all(_settled(self.processes[name]) for name in errand.names if name in self.processes):
                self._errands.remove(errand)
                errand.done()

    def _check_over(self) -> None:
        if self.verdict is not None and not self.alive():
            self._loop.stop()


class Errand(NamedTuple):
    """What a client asked for: it hears of each step of these instances, and when all of them have settled."""

    names: frozenset[str]
    progress: Callable[[Happening], None]
    done: Callable[[], None]


def _settled(process: Process) -> bool:
    return process.state is State.DOWN or (process.state is State.UP and process.settled)


def _dead_child() -> "os.waitid_result | None":
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None


def _exit(info: "os.waitid_result") -> Exit:
    if info.si_code == os.CLD_EXITED:
        return Exit(info.si_status, None)
    return Exit(None, info.si_status)
