"""Finds the known program that each instance really runs, so that it is stopped, quieted and read as that program.

An instance is looked at when it runs, when it is ready and when its stop begins. What a stop would cost is said then,
once, unless the command said it already.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from procrun.core.events import Event, EventKind
from procrun.eventloop.loop import Loop
from procrun.plan import findings
from procrun.plan.layout import Plan
from procrun.plan.options import Entry, ProcessConfig
from procrun.plan.policies import with_program
from procrun.supervise.instance import Instance
from procrun.supervise.members import Program
from procrun.supervise.supervisor import Supervisor

if TYPE_CHECKING:  # imported in the thread, behind the children
    from procrun.plan.programs.running import Running

LOOK_AGAIN = (1.0, 4.0, 10.0)
"""Seconds after a start at which an instance is looked at again while no known program was seen in it.

A script, a package manager or an interpreter may need that long until the program's own command line is there.
"""


LOOK_IN_STOP = (0.2,)
"""Seconds after a signal at which an unknown instance is looked at: most have ended by then, at no cost to the stop."""


class ProgramWatch:
    """Looks in a thread, as a command line may be held by a disk that stands still; `plan` is the present plan."""

    def __init__(
        self, supervisor: Supervisor, loop: Loop, plan: Callable[[], Plan], say: Callable[[str], None]
    ) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._plan = plan
        self._say = say
        self._said: set[str] = set()
        for process in supervisor.processes.values():
            if process.members.pid:
                self._look_later(process)

    def hear(self, process: Instance, event: Event) -> None:
        """Something happened to an instance."""
        match event.what:
            case EventKind.STARTED:
                self._look_later(process)
            case EventKind.RUNNING | EventKind.READY | EventKind.RELOADED:
                self._look(process)
            case EventKind.SIGNAL | EventKind.TIMEOUT:
                self._look_later(process, LOOK_IN_STOP)

    def _look_later(self, process: Instance, when: Sequence[float] = LOOK_AGAIN) -> None:
        life = process.started

        def again() -> None:
            if process.members.pid and process.started == life and process.members.program is None:
                self._look(process)

        for seconds in when:
            self._loop.after(seconds, again)

    def _look(self, process: Instance) -> None:
        rows, life = process.members.alive(), process.started
        if not rows or self._config(process).profile == "none":
            return
        root = process.spec.root

        def look() -> "list[Running]":
            try:
                from procrun.plan.programs import running

                return running.look(rows, root)
            except OSError:  # no descriptors: whoever stops it finds that out, too
                return []

        def found(programs: "list[Running]") -> None:
            if programs and process.started == life:
                self._found(process, programs)

        self._supervisor.aside().do(look, found)

    def _found(self, process: Instance, programs: "list[Running]") -> None:
        """Take the program that the command names; where it names none, the one with the most to lose."""
        process.members.pass_over((each.pid, each.started) for each in programs if each.known.profile.passed_over)
        planned = process.spec.manners.profile
        if planned:
            named = [program for program in programs if program.known.profile.name == planned]
            if named:
                process.take_program(Program(named[0].pid, named[0].started, process.spec.manners))
            return
        self._say_losses(process, programs)
        chosen = max(programs, key=_worth)
        manners = with_program(
            process.spec.manners, chosen.known, self._config(process), self._plan().rules, process.spec.root
        )
        process.take_program(Program(chosen.pid, chosen.started, manners))
        if manners.store:
            self._supervisor.dependencies.found_store(process)

    def _say_losses(self, process: Instance, programs: "list[Running]") -> None:
        from procrun.plan.stop_budget import of_running

        entry = self._entry(process)
        if entry is None:
            return
        plan = self._plan()
        found = [
            finding
            for program in programs
            for finding in of_running(plan, entry, program.known, program.complete)
            if not finding.note
        ]
        for line in findings.lines(findings.unaccepted(found, plan.sources.config)):
            if line not in self._said:
                self._said.add(line)
                self._say(line)

    def _entry(self, process: Instance) -> Entry | None:
        return next((entry for entry in self._plan().types if entry.name == process.spec.type), None)

    def _config(self, process: Instance) -> ProcessConfig:
        return self._plan().sources.config.processes.get(process.spec.type, ProcessConfig())


def _worth(program: "Running") -> int:
    """Jobs before requests, and both before what has no work of its own: the higher, the more a stop may cost."""
    patience = program.known.profile.patience
    if patience is None:
        return 0
    return 1 if patience.work == "requests" else 2
