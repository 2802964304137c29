"""The socket of a run, at which clients come to it; loaded once the processes are started."""

from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from procrun.control.server import Server
from procrun.core import run_dir
from procrun.core.events import Event, EventKind
from procrun.eventloop.worker import Occasional
from procrun.run.current_plan import CurrentPlan
from procrun.run.plan_watch import Notice
from procrun.run.program_watch import ProgramWatch
from procrun.supervise.handlers import dispatch
from procrun.supervise.handlers.context import Context
from procrun.supervise.instance import Instance

PATIENCE_WITH_WATCHERS = 0.5
"""Seconds that the thread which watches files has for its end; it looks ten times a second whether it is there."""

if TYPE_CHECKING:  # imported where files are watched
    from procrun.run.restart_on_change import OnChange

PATIENCE_WITH_FOLLOWERS = 0.5
"""Seconds that those who follow the output have for its end."""


class Service:
    """Serves clients, and watches the files of which `plan` says so."""

    def __init__(self, context: Context, plan: CurrentPlan, aside: Occasional) -> None:
        self.serve = partial(dispatch.serve, context)
        self._context = context
        self._supervisor = context.supervisor
        self._loop = context.loop
        self._say = context.say
        self._aside = aside
        self._plan = plan
        self._server: Server | None = None
        self._on_change: OnChange | None = None
        self._watched: list[str] = []
        self._notice: Notice | None = None
        plan.on_adopted = self._watch_files

    def open(self, folders: Iterable[str], passed: list[str]) -> None:
        """Open the socket in the first folder that can hold one; say why where it is not the usual one."""
        self._watch_files()
        programs = ProgramWatch(self._supervisor, self._loop, lambda: self._plan.now, self._say)
        self._supervisor.watchers += [self._hear, programs.hear]
        for place in folders:
            try:
                self._server = Server(run_dir.socket_path(place), self._loop, self.serve)
            except OSError as error:
                passed.append(f"{place}: {error.strerror}")
                continue
            self._supervisor.kept.add(self._server)
            if passed:
                self._say(f"the control socket is in {place}, since not in {'; '.join(passed)}")
            return
        self._say(f"no control socket ({'; '.join(passed)}): ps, restart and stop cannot reach this run")

    def close(self) -> None:
        """Those who follow get the last lines, too, if they take them soon; then the socket goes."""
        self._context.backlog.close()
        if self._notice is not None:
            self._notice.close()
        if self._on_change is not None:
            self._on_change.close(PATIENCE_WITH_WATCHERS)
        end = monotonic() + PATIENCE_WITH_FOLLOWERS
        self._loop.at(end, lambda: None)
        while monotonic() < end and any(not reader.over for reader in self._context.readers):
            self._loop.turn()
        if self._server is not None:
            self._server.close()

    def _watch_files(self) -> None:
        """Watch what the plan says of what runs, where it says so, and the plan's own files.

        Where nothing is to be watched but these the kernel's word is enough: nothing is loaded, and nothing wakes.
        """
        types = dict.fromkeys(process.spec.type for process in self._supervisor.processes.values())
        plan = self._plan.now
        manners = plan.manners
        self._watched = wanted = [type_ for type_ in types if type_ in manners and manners[type_].watch]
        if self._on_change is not None and wanted:
            self._on_change.adopt(plan, wanted)
        elif self._on_change is not None:
            self._on_change.close()
            self._on_change = None
        elif wanted:
            from procrun.run.restart_on_change import OnChange

            self._on_change = OnChange(self._supervisor, self._loop, self._aside, plan, wanted, self._say)
        if not wanted:
            self._notice = self._notice or Notice(self._supervisor, self._loop, self._aside, self._say)
            self._notice.adopt(plan.sources)
        elif self._notice is not None:
            self._notice.close()

    def _hear(self, process: Instance, event: Event) -> None:
        """A type that watches files may have had no instance until now."""
        if event.what == EventKind.STARTED and process.spec.manners.watch and process.spec.type not in self._watched:
            self._watch_files()
