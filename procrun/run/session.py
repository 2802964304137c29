"""One run: plan, supervisor, stream, front and socket wired to each other."""

import gc
import itertools
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from procrun.core import descriptors, run_dir
from procrun.core.events import Event, EventKind, as_event, step
from procrun.core.spec import Step
from procrun.core.stop_sequence import ending_step
from procrun.eventloop import stderr
from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Occasional, patiently
from procrun.output import appearance
from procrun.output.github_actions import Workflow
from procrun.output.line_buffer import Amount
from procrun.plan import findings, layout, preflight
from procrun.plan.check import told_at_start
from procrun.plan.environment import OF_A_SERVICE_MANAGER
from procrun.plan.options import Wishes
from procrun.plan.sources import folders_of_files, places
from procrun.recovery import run_record
from procrun.run import guardian_link, linked
from procrun.run.outputs import outputs
from procrun.run.reporter import Narrator
from procrun.run.signal_handlers import Orders
from procrun.run.startup_report import Startup
from procrun.supervise.instance import Instance
from procrun.supervise.last_sweep import Sweeper
from procrun.supervise.supervisor import TIMED_OUT, Calls, Supervisor, Verdict
from procrun.system import signals
from procrun.system.host import may_stand_still, process_table, subreaper
from procrun.system.process_tree import Family
from procrun.system.signals import ENDING_NAMES
from procrun.system.types import Exit

if TYPE_CHECKING:
    from procrun.recovery.run_record import Ledger
    from procrun.run.control_service import Service
    from procrun.run.heroku.dyno_manager import DynoManager
    from procrun.run.keeper import Keeper
    from procrun.run.keyboard import Keyboard
    from procrun.run.other_runs import Follow

PATIENCE = 10.0
"""Seconds that a reader of the last output may make no progress."""

PATIENCE_WHEN_TOLD = 2.0
"""The same when procrun was told to stop: who told it is waiting."""


def supervise(to_front: guardian_link.Link, names: tuple[str, ...], values: dict[str, Any], follow: "Follow") -> int:
    """Read the plan, start it and serve until everything is over; the exit status.

    What belongs to another run is started there, by a request that `follow` shows.

    Raises ConfigError, with nothing started, for bad input and for names that run already.
    """
    wishes = wishes_of(names, values)
    joined = _rejoined(wishes, values["as_json"], values["wait"], follow) if names else None
    if joined is not None:
        return joined
    made = layout.build(wishes, os.environ)
    if any(made.manners[spec.type].watch for spec in made.specs):
        from procrun.run.restart_on_change import require

        require(made)
    why_not_run = tell_findings(made)
    passed: list[str] = []
    folders = run_dir.make(made.sources.root, passed, local=may_stand_still(made.sources.root))
    first = next(folders)
    with run_dir.lock(first):
        join = None
        if run_dir.traces(made.sources.root) or linked.pointers(made.sources.named):
            from procrun.run.other_runs import take_part

            join = take_part(made, wishes, values["as_json"], values["wait"], follow)
        if join is None:
            if made.own_port:
                from procrun.run.auto_port import settle

                made, wishes = settle(made, wishes, first)
            preflight.taken_ports(made.specs)
            preflight.make_room(made.specs, descriptors.STANDING + _files(made))
            session = Session(to_front, made, wishes, values, why_not_run)
            session.begin(itertools.chain([first], folders), passed)
    gc.enable()  # it was off until here, see __main__
    return session.run() if join is None else join()


def wishes_of(names: tuple[str, ...], values: dict[str, Any]) -> Wishes:
    """What the command line asks for; the environment is made fit to be read, too."""
    for name in OF_A_SERVICE_MANAGER:
        os.environ.pop(name, None)
    return Wishes(
        **{name: value for name, value in values.items() if name in Wishes._fields},
        names=names,
        apart=values["as_json"],
        defaults=layout.DEFAULTS,
    )


def tell_findings(made: layout.Plan) -> dict[str, str]:
    """Tell what `check` would warn of, as lines on stderr; why programs cannot be run, by process type."""
    found = told_at_start(made)
    for line in findings.lines(found):
        stderr.tell(line)
    return {name: each.text for each in found if each.code in findings.NOT_RUN for name in each.processes}


def _rejoined(wishes: Wishes, as_json: bool, wait: bool, follow: "Follow") -> int | None:
    """`start NAME` of what a run here has, and somebody stopped: it is started there, whatever the files say now."""
    root, named = places(wishes, os.environ)
    if not run_dir.sockets(root) and not linked.pointers(named):
        return None
    from procrun.run.other_runs import rejoin

    return rejoin(root, named, wishes.names, as_json, wait, follow)


def _files(made: layout.Plan) -> int:
    """Descriptors of log files, one for each type, our own and a pipe; and of what watches files, or the plan's."""
    logs = len(made.types) + 3 if made.sources.config.log_dir is not None else 0
    watched = any(made.manners[spec.type].watch for spec in made.specs)
    return logs + (preflight.WATCHING if watched else len(folders_of_files(made.sources)))


def _sweeper(loop: Loop, family: Family, over: Callable[[], None], spared: Collection[int]) -> Sweeper:
    """What stops those that turn out to be nobody's, once all instances are down."""
    from procrun.recovery.orphans import Rescue

    return Rescue(loop, family, over, family.owner, spared)


class Session:
    """Wires the floors below to each other for one run.

    Another kind of run is another class: it may `launch` alone, and tell crashes and its end in its own way.
    """

    def __init__(
        self,
        to_front: guardian_link.Link,
        made: layout.Plan,
        wishes: Wishes,
        values: dict[str, Any],
        why_not_run: Mapping[str, str] | None = None,
    ) -> None:
        self._link = to_front
        self._wishes = wishes
        self._plan = made
        self._service: Service | None = None
        self._keyboard: Keyboard | None = None
        self._dynos: dict[str, tuple[int, tuple[int, ...], int, bool, Step]] = {}
        self._ledger: Ledger | None = None
        self._pointers: list[str] = []
        self._aside: Occasional | None = None
        self._keeper: Keeper | None = None
        self._manager: DynoManager | None = None
        self._loop = Loop()
        look = appearance.look(values, (spec.name for spec in made.specs))
        self._outputs = outputs(self._loop, made, look, values)
        self._narrator = Narrator(self._loop, self._outputs.outlet.say)
        self._narrator.why_not_run = why_not_run or {}
        self._supervisor = Supervisor(
            process_table.identity(os.getpid()),
            self._loop,
            self._outputs.outlet,
            Calls(
                self._hear,
                lambda why, verdict: self._orders.end(why, verdict),
                _sweeper,
                lambda: appearance.window(look),
            ),
        )
        self._orders = Orders(to_front, self._supervisor, self._narrator)
        self._startup = Startup(made.specs, self._narrator.say, self._end_soon if values["wait"] else None)

    def begin(self, folders: Iterable[str], passed: list[str]) -> None:
        """Start everything, then the socket, which is not needed to start."""
        self.launch()
        places = iter(folders)
        first = next(places)
        self._write_down(first)
        self._service = self._serving()
        self._service.open(itertools.chain([first], places), passed)
        self._pointers = linked.leave(self._plan.sources.named, self._plan.sources.root)
        if self._plan.own_port:
            from procrun.run.auto_port import urls

            for line in urls(self._plan.specs):
                self._narrator.say(line)
        self._say_what_is_left_out()

    def _serving(self) -> "Service":
        from procrun.run.control_service import Service
        from procrun.run.current_plan import CurrentPlan
        from procrun.supervise.handlers.context import Context

        self._aside = Occasional(self._loop)
        plan = CurrentPlan(self._supervisor, self._aside, self._plan, self._wishes)
        context = Context(
            supervisor=self._supervisor,
            loop=self._loop,
            backlog=self._outputs.backlog,
            plan=plan,
            pid=lambda: self._link.pid,
            say=self._narrator.say,
            readers=[],
            typing={},
        )
        return Service(context, plan, self._aside)

    def launch(self) -> None:
        """Heed signals, and start everything."""
        sys.excepthook = stderr.crashed
        subreaper.become_subreaper()  # before there can be an orphan
        guardian_link.listen_to(self._loop, self._orders.obey, self._supervisor.reap)
        self._link.watch(self._loop, self._orders.obey, self._press)
        self._supervisor.start(self._plan.specs)
        from procrun.output.terminal_hint import TerminalHint

        self._outputs.outlet.taps.append(TerminalHint(self._has_terminal, self._narrator.say).hear)

    def _has_terminal(self, name: str) -> bool:
        process = self._supervisor.processes.get(name)
        return process is not None and process.console.terminal

    def _keep_folder(self) -> None:
        """Have what the run needs in its folder made anew when somebody takes it away."""
        from procrun.run.keeper import Keeper

        self._aside = self._aside or Occasional(self._loop)
        root, kept, say = self._plan.sources.root, self._supervisor.kept, self._narrator.say
        self._keeper = Keeper(self._loop, self._aside, root, kept, say)
        self._keeper.begin()

    def _say_what_is_left_out(self) -> None:
        if len(self._plan.types) < len(self._plan.sources.entries):
            self._narrator.say("the release entry is left out; `procrun release` runs it")

    def _hear(self, process: Instance, event: Event) -> None:
        if event.what in (EventKind.SIGNAL, EventKind.TIMEOUT) and event.detail in ENDING_NAMES:
            self._link.signalled(event.name)  # first of all: whoever is killed now, nobody sends it again
        if event.what in (EventKind.STARTED, EventKind.RELOADED):
            self._look_after(process)
        self._outputs.event(as_event(event, process.restarts))
        self._narrator.hear(process, event)
        if self._manager is not None:
            self._manager.hear(process, event)
        if not self._startup.over and self._supervisor.verdict is None:
            self._startup.hear(process, event)
        if self._outputs.workflow is not None and event.what in (EventKind.EXITED, EventKind.FAILED):
            self._annotate(self._outputs.workflow, process, event)
        if event.what == EventKind.STARTED or (event.what in (EventKind.RELOADED, EventKind.RECOGNISED) and event.pid):
            spec, manners = process.spec, process.manners
            rank, first = self._supervisor.dependencies.rank(spec.type), ending_step(manners.stop_sequence)
            dyno = (event.pid, process.console.inodes, rank, manners.to_all, first)
            if self._dynos.get(spec.name) != dyno:
                self._dynos[spec.name] = dyno
                self._link.born(spec.name, *dyno)
        elif event.what == EventKind.GONE:
            self._dynos.pop(process.spec.name, None)
        elif event.what != EventKind.RUNNING:
            return
        if self._ledger is not None and self._supervisor.verdict is None:
            self._ledger.changed(soon=event.what != EventKind.RUNNING)

    def _look_after(self, process: Instance) -> None:
        """Have a dyno manager as soon as there is something for it to do; a deploy may bring the first quota."""
        manners, cycle = process.spec.manners, self._plan.cycle
        if self._manager is None and (manners.dyno or manners.memory or cycle):
            from procrun.run.heroku.dyno_manager import DynoManager

            log = self._plan.sources.config.heroku.log
            self._manager = DynoManager(self._loop, self._supervisor, cycle, self._outputs.outlet.say, log)
            self._narrator.told_elsewhere = self._manager.tells

    def _end_soon(self, why: str, status: int) -> None:
        """Not from within what happens."""
        self._loop.after(0, lambda: self._orders.end(why, Verdict(status)))

    def _annotate(self, workflow: Workflow, process: Instance, event: Event) -> None:
        """A process has ended: an annotation, if that was a crash."""
        if process.status.up and process.last_exit != Exit(0, None):
            workflow.error(f"{event.name} crashed", f"{process.spec.command}: {step(event)}")

    def _write_down(self, folder: str) -> None:
        """Begin the record of what is up, for who comes after a run that was cut short."""
        from procrun.recovery.run_record import Ledger

        try:
            path, adopted = run_dir.record_path(folder), self._supervisor.family.adopted
            since, tell = self._supervisor.since, self._link.recorded
            self._ledger = Ledger(path, self._loop, self._link.front, since, self._dynos, adopted, tell)
        except OSError:
            return  # no room, or nowhere to write: no reason not to run
        self._supervisor.kept.add(self._ledger)

    def run(self) -> int:
        """Serve until everything is over; the exit status."""
        if self._supervisor.kept:
            self._keep_folder()
        self._loop.run()
        status = self._sum_up()
        if self._keeper is not None:
            self._keeper.close()
        outlived = self._supervisor.family.outlived()
        if outlived:
            self._narrator.say(f"still alive: {process_table.named(outlived)}")
        if self._service is not None:
            self._service.close()
        for pointer in self._pointers:
            run_dir.remove(pointer)
        if self._outputs.workflow is not None:
            self._outputs.workflow.close()
        orphaned = self._orders.orphaned
        if self._ledger is not None and orphaned is None:
            patiently(self._ledger.close)
        elif self._ledger is not None:
            path, stopped = self._ledger.path, orphaned or 0
            patiently(lambda: run_record.leave_word(path, "its front process was killed", stopped))
        verdict = self._supervisor.verdict
        signals.obey_at_once()  # nothing is left to lose: a signal may end the waiting for a slow reader
        told_to = verdict is None or verdict.told
        patience = PATIENCE_WHEN_TOLD if told_to else PATIENCE
        self._outputs.sink.close(patience)
        if self._outputs.sink.dropped.size:
            stderr.tell(f"{self._outputs.sink.dropped} of output could not be shown")
        missing = self._outputs.archive.close(patience) if self._outputs.archive is not None else Amount()
        if missing.size:
            stderr.tell(f"{missing} of output could not be written to the log files")
        self._link.over(verdict.signal if verdict is not None and not outlived else None, status)
        return status

    def _sum_up(self) -> int:
        """Tell how each process ended; the exit status."""
        if self._outputs.workflow is not None:
            self._outputs.workflow.group("procrun: how each process ended")
        self._narrator.sum_up(self._supervisor.processes.values())
        if self._outputs.workflow is not None:
            self._outputs.workflow.end_group()
        if self._supervisor.family.outlived():
            return TIMED_OUT
        return self._supervisor.verdict.status if self._supervisor.verdict is not None else 1

    def _press(self, key: str) -> None:
        if self._keyboard is None and self._service is not None:
            from procrun.run.keyboard import Keyboard

            serve = self._service.serve
            self._keyboard = Keyboard(self._supervisor, serve, self._outputs.outlet, self._narrator.say)
        if self._keyboard is not None:
            self._keyboard.press(key)
