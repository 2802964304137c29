"""Does what a request to the run asks, by the supervisor; one method a request."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any

from msgspec.structs import replace

from procrun.control.protocol import (
    Answer,
    Attach,
    Deploy,
    Done,
    Hello,
    Logs,
    Progress,
    Ps,
    Quiet,
    Reload,
    Request,
    Restart,
    Row,
    Scale,
    Signal,
    Start,
    Status,
    Stop,
    Talk,
    Wait,
    Watch,
    Welcome,
)
from procrun.core.errors import ControlError
from procrun.core.events import Happening
from procrun.core.spec import LONGEST_WAIT, Spec
from procrun.core.stop_sequence import signal_number
from procrun.core.text import shown, there_are
from procrun.output.prefix import OURS
from procrun.plan import preflight
from procrun.supervise.handlers.deploy import Deployment
from procrun.supervise.instance import Process
from procrun.supervise.operation import Errand
from procrun.supervise.state_machine import State
from procrun.supervise.supervisor import Supervisor, Verdict
from procrun.system.linux import procfs
from procrun.system.signals import signal_name

Send = Callable[[Answer], None]


class Desk:
    """Serves the requests of one run on what is its `platform` by now; `pid` is what the run is known by.

    `expand` makes specs for instances that the plan did not have (`expand("web", 3)`: the first three; raises
    ConfigError); `notes` gives lines that go with a restart; `deployment` begins a deploy, `talks` what else goes on
    for a while, by the kind of its request.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        pid: Callable[[], int],
        platform: Callable[[], str],
        expand: Callable[[str, int], Iterable[Spec]],
        notes: Callable[[], list[str]],
        deployment: Callable[[list[Process], Send], Deployment],
        talks: Mapping[type, Callable[[Any, list[Process], Send], Talk]],
    ) -> None:
        self._supervisor = supervisor
        self._pid = pid
        self._platform = platform
        self._expand = expand
        self._notes = notes
        self._deployment = deployment
        self._talks = talks

    def serve(self, request: Request, send: Send) -> Talk:
        """Answer by `send`, now or later. Raises ControlError and ConfigError; nothing was done then."""
        match request:
            case Hello():
                send(self._welcome())
            case Ps():
                send(Status([self._row(process) for process in self._supervisor.processes.values()]))
            case Start():
                return self._start(request, send)
            case Stop():
                return self._stop(request, send)
            case Restart():
                return self._restart(request, send)
            case Scale():
                return self._scale(request, send)
            case Quiet():
                return self._quiet(request, send)
            case Signal():
                return self._signal(request, send)
            case Deploy():
                return self._deploy(request, send)
            case Logs():
                return self._talks[Logs](request, self._named([name for name in request.names if name != OURS]), send)
            case Watch() | Wait() | Attach() | Reload():
                _budget(request.timeout if isinstance(request, Wait) else None)
                return self._talks[type(request)](request, self._named(request.names), send)
            case _:
                raise ControlError("nothing that this belongs to was begun on this connection", 2)
        return Talk()

    def choose(self, names: list[str]) -> list[Process]:
        """The instances that names of types and instances mean; all when there are none.

        Raises ControlError that lists the names there are.
        """
        self._refuse_while_ending()
        return self._named(names)

    def _named(self, names: list[str]) -> list[Process]:
        running = list(self._supervisor.processes.values())
        for name in names:
            if not any(name in (process.spec.name, process.spec.type) for process in running):
                there = sorted({p.spec.type for p in running} | {p.spec.name for p in running})
                raise ControlError(f"no process {shown(name)} here{there_are(there, name)}", 2)
        return [p for p in running if not names or p.spec.name in names or p.spec.type in names]

    def _refuse_while_ending(self) -> None:
        if self._supervisor.verdict is not None:
            raise ControlError("this run is being stopped", 1)

    def _welcome(self) -> Welcome:
        states = {name: state_of(process) for name, process in self._supervisor.processes.items()}
        return Welcome(self._pid(), self._supervisor.since, states)

    def _row(self, process: Process) -> Row:
        rows = process.alive() if process.state is not State.DOWN else []
        uptime = monotonic() - process.started if rows else None
        cpu = procfs.seconds(sum(row.cpu for row in rows))
        busy = process.busy() if rows else None
        return Row(
            name=process.spec.name,
            state=state_of(process),
            pid=process.pid or None,
            port=process.spec.port,
            uptime=uptime,
            restarts=process.restarts,
            cpu_seconds=round(cpu, 2),
            cpu_percent=round(100 * cpu / uptime, 1) if uptime else 0.0,
            memory=sum(procfs.memory(row.pid) for row in rows),
            last_exit=process.ended or None,
            command=process.spec.command,
            restart=process.spec.manners.policy.restart,
            busy=busy.busy if busy else None,
            threads=busy.threads if busy else None,
            store=process.manners.store,
            status=process.status or None,
        )

    def _start(self, request: Start, send: Send) -> Talk:
        chosen = self.choose(request.names)
        specs = [process.spec for process in chosen]
        return self._errand(chosen, send, lambda: self._supervisor.start(specs), until_ready=request.wait)

    def _restart(self, request: Restart, send: Send) -> Talk:
        chosen = self.choose(request.names)
        budget = _budget(request.timeout)
        if not request.names:
            chosen = [process for process in chosen if not process.done]  # it was to run once
        if request.rolling:
            # As a deploy: stores are restarted by name only, or their clients would lose them in between.
            chosen = [p for p in chosen if request.names or not p.manners.store]
            return self._rolling(self._supervisor.in_order(chosen), budget, send)
        self._refuse_in_vain(chosen)
        return self._errand(chosen, send, lambda: self._supervisor.stop(chosen, budget, again=True), self._notes())

    def _refuse_in_vain(self, chosen: list[Process]) -> None:
        """Stop nothing that would wait for ever to start again, since what it starts after is down.

        Raises ControlError that says for what.
        """
        names = {process.spec.name for process in chosen}
        for process in chosen:
            missing = [name for name in self._supervisor.missing(process) if name not in names]
            missing = [name for name in missing if self._supervisor.processes[name].state is State.DOWN]
            if missing:
                cure = f"`procrun start {' '.join(missing)}` first"
                text = f"{process.spec.name} starts after {', '.join(missing)}, which does not run; {cure}"
                raise ControlError(text, 1)

    def _rolling(self, chosen: list[Process], budget: float | None, send: Send) -> Talk:
        """One after the other, each until it is ready; the first that does not come back so ends it."""
        rest = list(chosen)
        current = Talk()
        begun, before = monotonic(), 0.0
        running = self._supervisor.processes

        def vanished() -> None:
            rest.clear()
            current.vanished()

        def relay(answer: Answer) -> None:
            rest[:] = [process for process in rest if running.get(process.spec.name) is process]  # not scaled away
            if isinstance(answer, Progress):
                send(replace(answer, at=round(before + answer.at, 3)))
            elif isinstance(answer, Done) and not answer.failed and rest:
                step()
            elif isinstance(answer, Done) and rest:
                left = ", ".join(process.spec.name for process in rest)
                send(Done(answer.failed, [*answer.notes, f"not restarted: {left}"]))
            else:
                send(answer)

        def step() -> None:
            nonlocal current, before
            before = monotonic() - begun
            one = [rest.pop(0)]
            missing = self._supervisor.missing(one[0])
            if missing:
                text = f"{one[0].spec.name} was left alone, as it starts after {', '.join(missing)}, which does not run"
                relay(Done([one[0].spec.name], [text]))
                return
            notes = self._notes() if not rest else []
            act = partial(self._supervisor.stop, one, budget, again=True)
            current = self._errand(one, relay, act, notes, until_ready=True)

        if rest:
            step()
        else:
            send(Done([], []))
        return Talk(vanished)

    def _stop(self, request: Stop, send: Send) -> Talk:
        chosen = self.choose(request.names)
        budget = _budget(request.timeout)

        def act() -> None:
            self._supervisor.stop(chosen, budget, again=False)
            if not request.names:
                self._supervisor.on_end("`procrun stop` was called", Verdict(0, told=True))

        down = [process for process in chosen if process.state is State.DOWN and not process.wanted]
        told = [f"{process.spec.name} is down already" for process in down if request.names or not process.done]
        return self._errand(chosen, send, act, told, up=False)

    def _scale(self, request: Scale, send: Send) -> Talk:
        self._refuse_while_ending()
        wanted = [spec for type_, count in request.formation.items() for spec in self._expand(type_, count)]
        names = {spec.name for spec in wanted}
        running = self._supervisor.processes
        fewer = [p for p in running.values() if p.spec.type in request.formation and p.spec.name not in names]
        more = [spec for spec in wanted if spec.name not in running or not _there(running[spec.name])]
        preflight.make_room(more)
        preflight.refuse_shared_ports([*(p.spec for p in running.values() if p.wanted), *more])
        preflight.taken_ports(spec for spec in more if spec.name not in running)

        def act() -> None:
            self._supervisor.stop(fewer, None, again=False)
            self._supervisor.start(more)

        def relay(answer: Answer) -> None:
            if isinstance(answer, Done):
                self._supervisor.remove(process.spec.name for process in fewer)
            send(answer)

        up = {spec.name for spec in more}
        return self._errand_for({p.spec.name for p in fewer} | up, up, relay, act)

    def _quiet(self, request: Quiet, send: Send) -> Talk:
        self._server_only("quiet", "TERM makes a worker quiet too, and `procrun restart` sends it")
        chosen = self.choose(request.names)
        for process in chosen:
            if not process.manners.quiet_signals:
                raise ControlError(f"{process.spec.name}: {_never_quiet(process.manners.profile)}", 2)
        notes = []
        for process in chosen:
            if process.state is not State.UP or not process.make_quiet():
                raise ControlError(f"{process.spec.name} does not catch its quiet signal (yet); it was not sent", 1)
            busy = process.busy()
            if busy is not None:
                note = f"{process.spec.name}: {busy.busy} of {busy.threads} busy, as its title says; may be 5 s old"
                notes.append(note)
        send(Done([], notes))
        return Talk()

    def _signal(self, request: Signal, send: Send) -> Talk:
        number = signal_number(request.signal, "signal")
        if self._platform() == "heroku":
            raise ControlError("a dyno gets no signals but TERM and KILL; use `procrun restart`", 2)
        name = signal_name(number)
        if self._platform() == "local" and name in ("USR1", "USR2", "TSTP"):
            self._server_only(f"signal {name}", f"a dyno has no {name}")
        chosen = self.choose(request.names)
        for process in chosen:
            if process.state is not State.UP:
                raise ControlError(f"{process.spec.name} is not running", 1)
            if not request.force and not process.survives(number):
                who = process.manners.profile or process.spec.name
                text = f"{process.spec.name}: {who} does not catch {name} and would die of it; --force sends it anyway"
                raise ControlError(text, 2)
        for process in chosen:
            process.send(number)
        send(Done([], [f"{name} sent to {', '.join(process.spec.name for process in chosen)}"]))
        return Talk()

    def _deploy(self, request: Deploy, send: Send) -> Talk:
        self._server_only("deploy", "`procrun restart` restarts inside the budget")
        excluded = {process.spec.name for process in self.choose(request.exclude)} if request.exclude else set()
        chosen = [p for p in self.choose(request.names) if p.spec.name not in excluded]
        if not request.names:
            chosen = [p for p in chosen if p.wanted and p.spec.manners.restart_on_deploy and not p.manners.store]
        deployment = self._deployment(chosen, send)
        deployment.begin(request.drain_first)
        return deployment.talk

    def _server_only(self, what: str, instead: str) -> None:
        if self._platform() != "server":
            text = f'{what} is for platform = "server" in procrun.toml, and this run is on {self._platform()}'
            raise ControlError(f"{text}: {instead}", 2)

    def _errand(
        self,
        chosen: list[Process],
        send: Send,
        act: Callable[[], object],
        notes: Iterable[str] = (),
        up: bool = True,
        until_ready: bool = False,
    ) -> Talk:
        names = {process.spec.name for process in chosen}
        return self._errand_for(names, names if up else set(), send, act, notes, until_ready)

    def _errand_for(
        self,
        names: set[str],
        up: set[str],
        send: Send,
        act: Callable[[], object],
        notes: Iterable[str] = (),
        until_ready: bool = False,
    ) -> Talk:
        """Act, pass every step on, and reply once all of `names` have settled; those of `up` must be up then."""
        begun = monotonic()

        def progress(h: Happening) -> None:
            send(Progress(round(monotonic() - begun, 3), h.name, h.what, h.seconds, h.detail, h.pid))

        def done() -> None:
            outlived = self._supervisor.outlived(names)
            send(Done([*self._supervisor.failed(up, until_ready), *outlived], list(notes)))

        errand = Errand(frozenset(names), progress, done, until_ready)
        self._supervisor.carry_out(errand, act)
        return Talk(lambda: self._supervisor.forget(errand))


def _there(process: Process) -> bool:
    """Whether it need not be started to have it: it is wanted up, or was to run once."""
    return process.wanted or process.done


def state_of(process: Process) -> str:
    """What `ps` calls it."""
    if process.state is State.STOPPING:
        return "restarting" if process.wanted else "stopping"
    if process.state is State.DOWN:
        if process.wanted:
            return "crashed" if process.crashed else "waiting"
        return "done" if process.done else "down"
    if process.quieted:
        return "quiet"
    if process.spec.manners.ready is None:
        return "up"
    return "starting" if process.starting else "unready" if process.unready else "ready"


def _never_quiet(profile: str) -> str:
    """That no signal quiets it, and what does, where that is known."""
    from procrun.plan.programs import profiles

    known = profiles.named(profile)
    hint = known.quiet_hint if known is not None else ""
    why = hint or f"no signal makes {profile or 'this program'} quiet"
    return f"{why}; nothing was sent"


def _budget(timeout: float | None) -> float | None:
    """The budget given with the request; None for each process's own stop sequence."""
    if timeout is not None and not 0 < timeout <= LONGEST_WAIT:
        raise ControlError(f"{timeout} is no budget; give seconds from above 0 to {LONGEST_WAIT}", 2)
    return timeout
