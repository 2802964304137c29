"""One run: plan, supervisor, stream, front and socket wired to each other."""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterable
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from procrun import limits, link, plan, proc, rundir, stderr
from procrun.cli import appearance
from procrun.cli.faults import warn
from procrun.cli.outputs import outputs
from procrun.console import Window
from procrun.errors import ConfigError
from procrun.lifecycle import State
from procrun.loop import Loop
from procrun.model import Exit, Finding, Happening, Spec, Step, Wishes
from procrun.narrator import Narrator
from procrun.prefix import OURS, Look, Prefix
from procrun.process import Process
from procrun.sources import Sources, changed_files, folder
from procrun.stopping import ENDING_NAMES, ending_step
from procrun.supervisor import Supervisor, Verdict
from procrun.wording import as_event, finding_line, step

if TYPE_CHECKING:
    from procrun.cli.keyboard import Keyboard
    from procrun.desk import Desk
    from procrun.ledger import Ledger
    from procrun.messages import Talk
    from procrun.reading import Reading
    from procrun.server import Server

PATIENCE = 10.0
"""Seconds that a reader of the last output may make no progress."""

PATIENCE_WHEN_TOLD = 2.0
"""The same when procrun was told to stop: who told it is waiting."""

PATIENCE_WITH_FOLLOWERS = 0.5
"""Seconds that those who follow the output have for its end."""


def supervise(to_front: link.Link, names: tuple[str, ...], values: dict[str, Any]) -> int:
    """Read the plan, start it and serve until everything is over; the exit status.

    Raises ConfigError, with nothing started, for bad input and for names that run already.
    """
    colour = appearance.colour_wanted(values)
    wishes = Wishes(
        **{name: value for name, value in values.items() if name in Wishes._fields},
        names=names,
        apart=values["as_json"],
        defaults=plan.DEFAULTS | ({"FORCE_COLOR": "1"} if colour else {}),
    )
    joined = _rejoined(wishes, values["as_json"]) if names else None
    if joined is not None:
        return joined
    made = plan.build(wishes, os.environ)
    for finding in (*made.sources.findings, *_losses(made)):
        warn(finding_line(finding))
    passed: list[str] = []
    folders = rundir.make(made.sources.root, passed)
    first = next(folders)
    with rundir.lock(first):
        join = None
        if rundir.traces(made.sources.root):
            from procrun.cli.elsewhere import take_part

            join = take_part(made, wishes, values["as_json"])
        if join is None:
            plan.taken_ports(made.specs)
            limits.make_room(made.specs, limits.STANDING + _files(made))
            session = Session(to_front, made, wishes, values)
            session.begin(itertools.chain([first], folders), passed)
    return session.run() if join is None else join()


def _rejoined(wishes: Wishes, as_json: bool) -> int | None:
    """`start NAME` of what a run here has, and somebody stopped: it is started there, whatever the files say now."""
    root = folder(wishes, os.environ)
    if not rundir.sockets(root):
        return None
    from procrun.cli.elsewhere import rejoin

    return rejoin(root, wishes.names, as_json)


def _losses(made: plan.Plan) -> list[Finding]:
    """What a stop would cost, where anything is known of a program or configured."""
    if made.sources.config.where is None and not any(manners.profile for manners in made.manners.values()):
        return []
    from procrun.nesting import losses

    return losses(made)


def _files(made: plan.Plan) -> int:
    """Descriptors of log files: one for each process type, and our own."""
    return len(made.types) + 1 if made.sources.config.log_dir is not None else 0


def _refuse_to_wait(wishes: Wishes, sources: Sources) -> None:
    """Raise ConfigError for a pipe or a terminal: to read it again may take for ever, and every deadline with it."""
    names = ["stdin"] if wishes.procfile == "-" else []
    for file, _ in sources.files:
        if os.path.exists(file) and not os.path.isfile(file) and not os.path.isdir(file) and file != os.devnull:
            names.append(os.path.relpath(file, sources.root))
    if names:
        raise ConfigError("is no plain file and is read only once; stop procrun and start it again", names[0])


def _window(look: Look) -> Window:
    """The size of the terminals of processes: ours, without the prefix; that of old where we have none."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return Window()
    before = len(Prefix(look._replace(colour=False)).before(OURS, time()))
    return Window(rows or Window().rows, max(20, columns - before) if columns else Window().columns)


class Session:
    """Wires the floors below to each other for one run; what the front passes on is obeyed here."""

    def __init__(self, to_front: link.Link, made: plan.Plan, wishes: Wishes, values: dict[str, Any]) -> None:
        self._link = to_front
        self._wishes = wishes
        self._plan = made
        self._server: Server | None = None
        self._desk: Desk | None = None
        self._keyboard: Keyboard | None = None
        self._readings: list[Reading] = []
        self._suspended = False
        self._presses = link.Presses()
        self._dynos: dict[str, tuple[int, tuple[int, ...], int, bool, Step]] = {}
        self._ledger: Ledger | None = None
        self._orphaned: int | None = None
        self._loop = Loop()
        look = appearance.look(values, (spec.name for spec in made.specs))
        self._outputs = outputs(self._loop, made, look, values, self._read_on)
        self._narrator = Narrator(self._loop, self._outputs.outlet.say)
        self._supervisor = Supervisor(
            proc.identity(os.getpid()), self._loop, self._outputs.outlet, self._hear, self._end, lambda: _window(look)
        )

    def begin(self, folders: Iterable[str], passed: list[str]) -> None:
        """Start everything, then the socket, which is not needed to start."""
        sys.excepthook = stderr.crashed
        proc.become_subreaper()  # before there can be an orphan
        link.listen_to(self._loop, self.obey, self._supervisor.reap)
        self._link.watch(self._loop, self.obey, self._press)
        self._supervisor.start(self._plan.specs)
        places = iter(folders)
        first = next(places)
        self._write_down(first)
        self._serve(itertools.chain([first], places), passed)
        if len(self._plan.types) < len(self._plan.sources.entries):
            self._narrator.say("the release entry is left out; `procrun release` runs it")

    def _hear(self, process: Process, happening: Happening) -> None:
        self._outputs.event(as_event(happening, process.restarts))
        self._narrator.hear(process, happening)
        by_itself = happening.what in ("exited", "failed") and process.state is State.UP
        workflow = self._outputs.workflow
        if workflow is not None and by_itself and process.last_exit != Exit(0, None):
            workflow.error(f"{happening.name} crashed", f"{process.spec.command}: {step(happening)}")
        if happening.what == "started":
            spec = process.spec
            rank = self._supervisor.rank(spec.type)
            dyno = (happening.pid, process.console.inodes, rank, spec.main_only, ending_step(spec.stop_sequence))
            self._dynos[spec.name] = dyno
            self._link.born(spec.name, *dyno)
        elif happening.what == "gone":
            self._dynos.pop(process.spec.name, None)
        elif happening.what in ("signal", "timeout") and happening.detail in ENDING_NAMES:
            self._link.signalled(happening.name)
            return
        elif happening.what != "running":
            return
        if self._ledger is not None and self._supervisor.verdict is None:
            self._ledger.changed(soon=happening.what != "running")

    def _write_down(self, folder: str) -> None:
        """Begin the record of what is up, for who comes after a run that was cut short."""
        from procrun.ledger import Ledger

        try:
            path, adopted = rundir.record_path(folder), self._supervisor.family.adopted
            self._ledger = Ledger(path, self._loop, self._supervisor.since, self._dynos, adopted)
        except OSError:
            return  # no room, or nowhere to write: no reason not to run
        self._link.recorded(self._ledger.path)

    def _read_on(self) -> None:
        self._supervisor.resume_reading()

    def _serve(self, folders: Iterable[str], passed: list[str]) -> None:
        """Open the control socket in the first folder that can hold one; say why where it is not the usual one."""
        from procrun.deploying import Deployment
        from procrun.desk import Desk
        from procrun.server import Server

        def expand(type_: str, count: int) -> Iterable[Spec]:
            return plan.instances(self._plan, type_, count)

        def deployment(chosen: list[Process], send: Callable[[Any], None]) -> Deployment:
            return Deployment(self._supervisor, self._loop, self._reload, chosen, send)

        self._desk = desk = Desk(
            self._supervisor, self._plan.platform, expand, self._changes, deployment, self._talks()
        )
        for place in folders:
            try:
                self._server = Server(rundir.socket_path(place), self._loop, desk.serve)
            except OSError as error:
                passed.append(f"{place}: {error.strerror}")
                continue
            if passed:
                self._narrator.say(f"the control socket is in {place}, since not in {passed[0]}")
            return
        self._narrator.say(f"no control socket ({'; '.join(passed)}): ps, restart and stop cannot reach this run")

    def _talks(self) -> dict[type, Callable[[Any, list[Process], Callable[[Any], None]], "Talk"]]:
        """What clients may read, watch and wait for."""
        from procrun.attaching import Attachments
        from procrun.messages import Attach, Logs, Wait, Watch
        from procrun.reading import Reading
        from procrun.watching import Waiting, Watching

        def read(request: Logs, send: Callable[[Any], None]) -> "Talk":
            self._readings = [reading for reading in self._readings if not reading.over]
            self._readings.append(Reading(self._outputs.backlog, request, send))
            return self._readings[-1].begin()

        attachments = Attachments(self._supervisor, self._outputs.backlog)
        return {
            Attach: attachments.begin,
            Logs: lambda request, chosen, send: read(request, send),
            Watch: lambda request, chosen, send: Watching(self._supervisor, request, chosen, send).talk,
            Wait: lambda request, chosen, send: Waiting(self._supervisor, self._loop, request, chosen, send).talk,
        }

    def run(self) -> int:
        """Serve until everything is over; the exit status."""
        self._loop.run()
        supervisor = self._supervisor
        self._sum_up()
        self._see_readers_off()
        if self._server is not None:
            self._server.close()
        if self._outputs.workflow is not None:
            self._outputs.workflow.close()
        if self._ledger is not None and self._orphaned is None:
            self._ledger.close()
        elif self._ledger is not None:
            link.leave_word(self._ledger.path, "its front process was killed", self._orphaned or 0)
        verdict = supervisor.verdict
        link.obey_at_once()  # nothing is left to lose: a signal may end the waiting for a slow reader
        told_to = verdict is None or verdict.signal is not None
        self._outputs.sink.close(PATIENCE_WHEN_TOLD if told_to else PATIENCE)
        if self._outputs.sink.dropped.size:
            warn(f"{self._outputs.sink.dropped} of output could not be shown")
        self._link.over(verdict.signal if verdict is not None else None)
        return verdict.status if verdict is not None else 1

    def _see_readers_off(self) -> None:
        """Those who follow get the last lines, too, if they take them soon."""
        self._outputs.backlog.close()
        end = monotonic() + PATIENCE_WITH_FOLLOWERS
        self._loop.at(end, lambda: None)
        while monotonic() < end and any(not reading.over for reading in self._readings):
            self._loop.turn()

    def _sum_up(self) -> None:
        if self._outputs.workflow is not None:
            self._outputs.workflow.group("procrun: how each process ended")
        self._narrator.sum_up(self._supervisor.processes.values())
        if self._outputs.workflow is not None:
            self._outputs.workflow.end_group()

    def _reload(self) -> tuple[Spec, ...]:
        """The specs of the plan as its files are now; the ports and names stay those of the command line."""
        _refuse_to_wait(self._wishes, self._plan.sources)
        now, running = plan.build(self._wishes, os.environ), self._supervisor.processes
        specs = tuple(plan.as_scaled(self._plan, now, list(running)))
        limits.make_room([spec for spec in specs if spec.name not in running])
        self._plan = now
        return specs

    def _changes(self) -> list[str]:
        names = [os.path.relpath(file, self._plan.sources.root) for file in changed_files(self._plan.sources)]
        return [f"{name} has changed since the start; restart keeps the old plan" for name in names]

    def _press(self, key: str) -> None:
        if self._keyboard is None and self._desk is not None:
            from procrun.cli.keyboard import Keyboard

            self._keyboard = Keyboard(self._supervisor, self._desk, self._outputs.choice, self._narrator.say)
        if self._keyboard is not None:
            self._keyboard.press(key)

    def obey(self, number: int) -> None:
        """Do what a signal to procrun means; GONE when the front is dead."""
        if number == link.GONE:
            self._orphaned = len(self._supervisor.alive())
            self._end("the front process is gone", Verdict(128 + signal.SIGKILL))
        elif number in link.STOPPING:
            self._stop_by(number)
        elif number == signal.SIGTSTP:
            self._suspend()
        elif number == signal.SIGCONT:
            self._continue()
        elif number == signal.SIGWINCH:
            self._supervisor.resize()
        else:
            name = signal.Signals(number).name.removeprefix("SIG")
            self._narrator.say(
                f"{name} is not passed on: a dyno has no {name}, and most programs die of it; "
                "`procrun restart` restarts, INT and TERM stop"
            )

    def _stop_by(self, number: int) -> None:
        """The first signal stops everything; each further Ctrl-C goes one step on."""
        self._link.heard()
        press = self._presses.heard() if number == signal.SIGINT else 0
        if self._supervisor.verdict is None:
            self._end(f"{signal.Signals(number).name} received", Verdict(128 + number, number))
        elif press == 1:
            self._narrator.say("everything is being stopped already; Ctrl-C again goes on to the next step")
        elif press:
            self._narrator.say("Ctrl-C again: the next step now")
            self._supervisor.hurry()

    def _end(self, why: str, verdict: Verdict) -> None:
        if self._supervisor.verdict is None:
            if self._suspended:
                self._continue()
                self._link.wake()
            self._narrator.ending(why, self._supervisor.alive())
            self._supervisor.end(verdict)

    def _suspend(self) -> None:
        if self._supervisor.verdict is not None:
            self._narrator.say("Ctrl-Z is ignored during a stop")
            return
        self._suspended = True
        self._supervisor.freeze(signal.SIGSTOP)
        self._link.suspended()

    def _continue(self) -> None:
        if self._suspended:
            self._suspended = False
            self._supervisor.freeze(signal.SIGCONT)
