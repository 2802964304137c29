"""What clients can reach of a run, its socket and all they may ask for there; loaded once the processes are started."""

import os
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from procrun import config, findings, limits, plan, rundir
from procrun.attaching import Attachments
from procrun.backlog import Backlog
from procrun.deploying import Deployment
from procrun.desk import Desk
from procrun.errors import ConfigError
from procrun.link import Link
from procrun.loop import Loop
from procrun.messages import Attach, Logs, Reload, Talk, Wait, Watch
from procrun.model import Happening, Spec, Wishes
from procrun.notice import Notice
from procrun.process import Process
from procrun.program_watch import ProgramWatch
from procrun.reading import Reading
from procrun.reloading import Reloading
from procrun.server import Server
from procrun.sources import Sources, changed_files
from procrun.supervisor import Supervisor
from procrun.watching import Waiting, Watching

PATIENCE_WITH_WATCHERS = 0.5
"""Seconds that the thread which watches files has for its end; it looks ten times a second whether it is there."""

if TYPE_CHECKING:  # imported where files are watched
    from procrun.onchange import OnChange

PATIENCE_WITH_FOLLOWERS = 0.5
"""Seconds that those who follow the output have for its end."""

Send = Callable[[Any], None]


class Service:
    """The desk of a run, and the socket at which clients come to it."""

    def __init__(
        self,
        supervisor: Supervisor,
        loop: Loop,
        to_front: Link,
        made: plan.Plan,
        wishes: Wishes,
        backlog: Backlog,
        say: Callable[[str], None],
    ) -> None:
        self._supervisor = supervisor
        self._loop = loop
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
                self._server = Server(rundir.socket_path(place), self._loop, self.desk.serve)
            except OSError as error:
                passed.append(f"{place}: {error.strerror}")
                continue
            if passed:
                self._say(f"the control socket is in {place}, since not in {passed[0]}")
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

    def _talks(self) -> dict[type, Callable[[Any, list[Process], Send], Talk]]:
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
        return plan.instances(self._plan, type_, count)

    def _deployment(self, chosen: list[Process], send: Send) -> Deployment:
        return Deployment(self._supervisor, self._loop, self._reload, chosen, send)

    def _reload(self) -> tuple[Spec, ...]:
        """The specs of the plan as its files are now, which is the plan from here on."""
        now, specs = self._read_again()
        self._adopt(now)
        return specs

    def _adopt(self, now: plan.Plan) -> None:
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
            from procrun.onchange import OnChange

            self._on_change = OnChange(self._supervisor, self._loop, self._plan, wanted, self._say)
        if not wanted:
            self._notice = self._notice or Notice(self._supervisor, self._loop, self._say)
            self._notice.adopt(self._plan.sources)
        elif self._notice is not None:
            self._notice.close()

    def _hear(self, process: Process, happening: Happening) -> None:
        """A type that watches files may have had no instance until now."""
        if happening.what == "started" and process.spec.manners.watch and process.spec.type not in self._watched:
            self._watch_files()

    def _read_again(self) -> tuple[plan.Plan, tuple[Spec, ...]]:
        """The plan as its files are now, and its specs as scaled; ports and names stay those of the command line.

        Raises ConfigError for a fault in them.
        """
        _refuse_to_wait(self._wishes, self._plan.sources)
        now, running = plan.build(self._wishes, os.environ), self._supervisor.processes
        require_watchers(now)
        specs = tuple(plan.as_scaled(self._plan, now, list(running)))
        limits.make_room([spec for spec in specs if spec.name not in running])
        return now, specs

    def _begin_reload(self, request: Reload, send: Send) -> Talk:
        self.desk.choose([])  # raises where the run is ending
        now, specs = self._read_again()
        notes = [
            *findings.lines(findings.unaccepted(now.sources.findings, now.sources.config)),
            *_of_the_start(self._plan, now),
        ]
        reloading = Reloading(self._supervisor, specs, send, self._say)
        if request.dry_run:
            return reloading.rehearse(notes)
        self._adopt(now)
        return reloading.begin(notes)

    def _changes(self) -> list[str]:
        names = [os.path.relpath(file, self._plan.sources.root) for file in changed_files(self._plan.sources)]
        cure = "`procrun reload` restarts what is new in it"
        return [f"{name} has changed since the start; restart keeps the old plan, {cure}" for name in names]


def require_watchers(made: plan.Plan) -> None:
    """Raise ConfigError where files are to be watched, and nothing is installed that can."""
    if any(made.manners[spec.type].watch for spec in made.specs):
        from procrun.onchange import require

        require(made)


def _of_the_start(before: plan.Plan, now: plan.Plan) -> list[str]:
    """A line for each setting that is new and that only a start looks at."""
    then, new = before.sources.config, now.sources.config
    keys = [key for key in ("log_dir", "log_size", "log_keep", "log_rotate") if getattr(then, key) != getattr(new, key)]
    keys += ["heroku.log"] * (then.heroku.log != new.heroku.log) + ["heroku.cycle"] * (before.cycle != now.cycle)
    return [f"{config.FILE}: {key} is new; it holds from the next `procrun start` on" for key in keys]


def _refuse_to_wait(wishes: Wishes, sources: Sources) -> None:
    """Raise ConfigError for a pipe or a terminal: to read it again may take for ever, and every deadline with it."""
    names = ["stdin"] if wishes.procfile == "-" else []
    for file, _ in sources.files:
        if os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file) and file != os.devnull:
            names.append(os.path.relpath(file, sources.root))
    if names:
        raise ConfigError("is no plain file and is read only once; stop procrun and start it again", names[0])
