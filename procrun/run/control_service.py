"""What clients can reach of a run, its socket and all they may ask for there; loaded once the processes are started."""

import os
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from procrun.control.protocol import Attach, Logs, Refused, Reload, Talk, Wait, Watch
from procrun.control.server import Server
from procrun.core import run_dir
from procrun.core.errors import ControlError, ProcrunError
from procrun.core.events import EventKind, Happening
from procrun.core.spec import Spec
from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Occasional
from procrun.output.backlog import Backlog
from procrun.plan import findings, layout, preflight
from procrun.plan.options import Wishes
from procrun.plan.sources import changed_files
from procrun.run.current_plan import _of_the_start
from procrun.run.guardian_link import Link
from procrun.run.plan_watch import Notice
from procrun.run.program_watch import ProgramWatch
from procrun.supervise.handlers.attach import Attachments
from procrun.supervise.handlers.deploy import Deployment, Reloaded
from procrun.supervise.handlers.dispatch import Desk
from procrun.supervise.handlers.logs import Reading
from procrun.supervise.handlers.reload import Reloading
from procrun.supervise.handlers.watch import Waiting, Watching
from procrun.supervise.instance import Instance
from procrun.supervise.supervisor import Supervisor

PATIENCE_WITH_WATCHERS = 0.5
"""Seconds that the thread which watches files has for its end; it looks ten times a second whether it is there."""

if TYPE_CHECKING:  # imported where files are watched
    from procrun.run.restart_on_change import OnChange

PATIENCE_WITH_FOLLOWERS = 0.5
"""Seconds that those who follow the output have for its end."""

Send = Callable[[Any], None]


class Service:
    """The desk of a run, and the socket at which clients come to it."""

    def __init__(
        self,
        supervisor: Supervisor,
        loop: Loop,
        aside: Occasional,
        to_front: Link,
        made: layout.Plan,
        wishes: Wishes,
        backlog: Backlog,
        say: Callable[[str], None],
    ) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._aside = aside
        self._plan = made
        self._wishes = wishes
        self._backlog = backlog
        self._say = say
        self._server: Server | None = None
        self._on_change: OnChange | None = None
        self._watched: list[str] = []
        self._notice: Notice | None = None
        self._readings: list[Reading] = []
        self.desk = Desk(
            supervisor,
            lambda: to_front.pid,
            lambda: self._plan.platform,
            self._expand,
            self._changes,
            self._deployment,
            self._talks(),
        )

    def open(self, folders: Iterable[str], passed: list[str]) -> None:
        """Open the socket in the first folder that can hold one; say why where it is not the usual one."""
        self._watch_files()
        programs = ProgramWatch(self._supervisor, self._loop, lambda: self._plan, self._say)
        self._supervisor.watchers += [self._hear, programs.hear]
        for place in folders:
            try:
                self._server = Server(run_dir.socket_path(place), self._loop, self.desk.serve)
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
        self._backlog.close()
        if self._notice is not None:
            self._notice.close()
        if self._on_change is not None:
            self._on_change.close(PATIENCE_WITH_WATCHERS)
        end = monotonic() + PATIENCE_WITH_FOLLOWERS
        self._loop.at(end, lambda: None)
        while monotonic() < end and any(not reading.over for reading in self._readings):
            self._loop.turn()
        if self._server is not None:
            self._server.close()

    def _talks(self) -> dict[type, Callable[[Any, list[Instance], Send], Talk]]:
        """What clients may read, watch and wait for."""
        return {
            Reload: lambda request, chosen, send: self._begin_reload(request, send),
            Attach: Attachments(self._supervisor, self._backlog).begin,
            Logs: lambda request, chosen, send: self._read(request, send),
            Watch: lambda request, chosen, send: Watching(self._supervisor, request, chosen, send).talk,
            Wait: lambda request, chosen, send: Waiting(self._supervisor, self._loop, request, chosen, send).talk,
        }

    def _read(self, request: Logs, send: Send) -> Talk:
        reading = Reading(self._backlog, request, send)
        self._readings = [*(other for other in self._readings if not other.over), reading]
        return reading.begin()

    def _expand(self, type_: str, count: int) -> Iterable[Spec]:
        return layout.instances(self._plan, type_, count)

    def _deployment(self, chosen: list[Instance], send: Send) -> Deployment:
        return Deployment(self._supervisor, self._loop, self._reload, chosen, send)

    def _reload(self, then: Reloaded) -> None:
        """Hand over the specs of the plan as its files are now, which is the plan from here on."""

        def adopt(now: layout.Plan, specs: tuple[Spec, ...]) -> None:
            self._adopt(now)
            then(specs)

        self._read_again(adopt, then)

    def _adopt(self, now: layout.Plan) -> None:
        self._plan = now
        self._watch_files()

    def _watch_files(self) -> None:
        """Watch what the plan says of what runs, where it says so, and the plan's own files.

        Where nothing is to be watched but these the kernel's word is enough: nothing is loaded, and nothing wakes.
        """
        types = dict.fromkeys(process.spec.type for process in self._supervisor.processes.values())
        manners = self._plan.manners
        self._watched = wanted = [type_ for type_ in types if type_ in manners and manners[type_].watch]
        if self._on_change is not None and wanted:
            self._on_change.adopt(self._plan, wanted)
        elif self._on_change is not None:
            self._on_change.close()
            self._on_change = None
        elif wanted:
            from procrun.run.restart_on_change import OnChange

            self._on_change = OnChange(self._supervisor, self._loop, self._aside, self._plan, wanted, self._say)
        if not wanted:
            self._notice = self._notice or Notice(self._supervisor, self._loop, self._aside, self._say)
            self._notice.adopt(self._plan.sources)
        elif self._notice is not None:
            self._notice.close()

    def _hear(self, process: Instance, happening: Happening) -> None:
        """A type that watches files may have had no instance until now."""
        if (
            happening.what == EventKind.STARTED
            and process.spec.manners.watch
            and process.spec.type not in self._watched
        ):
            self._watch_files()

    def _read_again(
        self, then: Callable[[layout.Plan, tuple[Spec, ...]], None], refused: Callable[[ProcrunError], None]
    ) -> None:
        """Hand over the plan as its files are now, and its specs as scaled, or a fault in them.

        Ports and names stay those of the command line. A thread reads: the disk may stand still.
        """

        def planned(found: layout.Plan | ProcrunError) -> None:
            if isinstance(found, ProcrunError):
                refused(found)
                return
            running = self._supervisor.processes
            try:
                specs = tuple(layout.as_scaled(self._plan, found, list(running)))
                preflight.make_room([spec for spec in specs if spec.name not in running])
                then(found, specs)
            except ProcrunError as error:
                refused(error)

        wishes = self._wishes
        self._aside.do(lambda: _built(wishes), planned)

    def _begin_reload(self, request: Reload, send: Send) -> Talk:
        self.desk.choose([])  # raises where the run is ending
        gone: list[bool] = []

        def begin(now: layout.Plan, specs: tuple[Spec, ...]) -> None:
            if gone:
                return
            self.desk.choose([])
            unaccepted = findings.unaccepted(now.sources.findings, now.sources.config)
            notes = [*findings.lines(unaccepted), *_of_the_start(self._plan, now)]
            reloading = Reloading(self._supervisor, specs, send, self._say)
            if request.dry_run:
                reloading.rehearse(notes)
            else:
                self._adopt(now)
                reloading.begin(notes)

        self._read_again(begin, lambda error: send(Refused(str(error), error.exit_status)))
        return Talk(lambda: gone.append(True))

    def _changes(self) -> list[str]:
        """Lines for a restart about the plan's files; they come in a moment, unless the disk stands still."""
        lines: list[str] = []
        sources = self._plan.sources
        self._aside.do(lambda: changed_files(sources), lambda now: lines.extend(_told(now, sources.root)))
        return lines


def _told(changed: Iterable[str], root: str) -> Iterable[str]:
    cure = "`procrun reload` restarts what is new in it"
    for file in changed:
        yield f"{os.path.relpath(file, root)} has changed since the start; restart keeps the old plan, {cure}"


def _built(wishes: Wishes) -> layout.Plan | ProcrunError:
    """The plan as its files are now, or what is wrong with them."""
    try:
        made = layout.build(wishes, os.environ, again=True)
        require_watchers(made)
    except ProcrunError as error:
        return error
    except Exception as error:  # no descriptors, no memory, a library that was replaced meanwhile: the run goes on
        return ControlError(f"the run could not do it: {error}")
    return made


def require_watchers(made: layout.Plan) -> None:
    """Raise ConfigError where files are to be watched, and nothing is installed that can."""
    if any(made.manners[spec.type].watch for spec in made.specs):
        from procrun.run.restart_on_change import require

        require(made)
