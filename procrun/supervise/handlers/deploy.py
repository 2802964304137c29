"""A deploy: quiet at once, let the client's command run, read the plan again, drain, restart; or take it all back."""

from collections.abc import Callable
from time import monotonic

from procrun.control.protocol import Deploy, Deployed, Done, Final, Go, Refused, Request, Talk
from procrun.core.errors import ControlError, ProcrunError
from procrun.core.events import Event, EventKind
from procrun.core.spec import Spec
from procrun.supervise import drain
from procrun.supervise.drain import DRAIN_EVERY
from procrun.supervise.handlers.context import Context, NewPlan, Send, names_of, steps
from procrun.supervise.instance import Instance
from procrun.supervise.operation import Operation


def deploy(context: Context, request: Deploy, send: Send) -> Talk:
    """Begin a deploy of what is named; of all that may be restarted on one where nothing is."""
    context.server_only("deploy", "`procrun restart` restarts inside the budget")
    excluded = names_of(context.choose(request.exclude)) if request.exclude else frozenset()
    chosen = [p for p in context.choose(request.names) if p.spec.name not in excluded]
    if not request.names:
        chosen = [p for p in chosen if p.status.wanted and p.spec.manners.restart_on_deploy and not p.manners.store]
    deployment = Deployment(context, chosen, send)
    deployment.begin(request.drain_first)
    return deployment.talk


class Deployment:
    """One deploy of `processes`, told to a client by `send`; `talk` is what the client may still say."""

    def __init__(self, context: Context, processes: list[Instance], send: Send) -> None:
        self.talk = Talk(self._vanished, self._more)
        self._supervisor = context.supervisor
        self._loop = context.loop
        self._plan = context.plan
        self._processes = processes
        self._send = send
        self._progress = steps(lambda answer: self._send(answer))
        self._client_works = True

    def begin(self, drain_first: float | None) -> None:
        """Quiet what can be quieted, and let the client go on, at once or when running work has ended."""
        for process in self._processes:
            if process.status.up:
                sent = process.stopper.make_quiet()
                if sent:
                    self._progress(Event(process.spec.name, EventKind.QUIET, 0.0, sent, process.members.pid))
        self._when_drained(drain_first or 0.0, lambda: self._send(Go()))

    def _more(self, request: Request) -> None:
        if not isinstance(request, Deployed) or not self._client_works:
            raise ControlError("a deploy is under way on this connection", 2)
        self._client_works = False
        if request.status != 0:
            self._take_back(Done([], [f"the command failed: {self._undone()}"]))
            return

        def go_on(now: NewPlan) -> None:
            now.adopt()
            self._when_drained(request.drain or 0.0, lambda: self._put_in_place(now.specs))

        def refused(fault: ProcrunError) -> None:
            self._take_back(Refused(f"{fault}; {self._undone()}", fault.exit_status))

        self._plan.read_again(go_on, refused)

    def _vanished(self) -> None:
        """The client is gone: nothing that was quieted may stay so; a restart under way goes on."""
        self._send = lambda answer: None
        if self._client_works:
            self._client_works = False
            self._take_back(Done([], []))

    def _undone(self) -> str:
        """What is done about a deploy that goes no further."""
        quieted = any(process.status.quieted for process in self._processes)
        return "what was quieted was restarted on the old plan" if quieted else "nothing was quieted, all runs on"

    def _take_back(self, reply: Final) -> None:
        quieted = [process for process in self._processes if process.status.quieted]
        self._carry_out(quieted, lambda: self._supervisor.stop(quieted, None, again=True), lambda: self._send(reply))

    def _put_in_place(self, specs: tuple[Spec, ...]) -> None:
        """Restart what is deployed on the new plan, start what it adds, stop what it no longer has."""
        added, removed = self._supervisor.replan(specs)
        staying = [process for process in self._processes if process not in removed]
        by_signal = [p for p in staying if p.status.up and _restarts_by_signal(p)]

        def act() -> None:
            for process in by_signal:
                process.members.send(process.spec.manners.restart_signal or 0)
            self._supervisor.replace([p for p in staying if p not in by_signal], removed)
            self._supervisor.start(added)

        def done() -> None:
            self._supervisor.remove(process.spec.name for process in removed)
            wanted = [*(process.spec.name for process in staying), *(spec.name for spec in added)]
            self._send(Done(self._supervisor.operations.failed(wanted, until_ready=False), []))

        self._carry_out([*staying, *removed], act, done, frozenset(spec.name for spec in added))

    def _carry_out(
        self,
        processes: list[Instance],
        act: Callable[[], None],
        done: Callable[[], None],
        besides: frozenset[str] = frozenset(),
    ) -> None:
        self._supervisor.carry_out(Operation(besides | names_of(processes), self._progress, done), act)

    def _when_drained(self, limit: float, then: Callable[[], None]) -> None:
        """Go on when no quieted worker is busy any more, as its title says, or after `limit` seconds."""
        end = monotonic() + limit

        def look() -> None:
            if monotonic() >= end:
                then()
                return
            asked = [drain.ask_drained(process.members) for process in self._processes if process.status.quieted]
            self._supervisor.aside().do(lambda: all(ask() for ask in asked), seen)

        def seen(drained: bool) -> None:
            if drained:
                then()
            else:
                self._loop.at(min(end, monotonic() + DRAIN_EVERY), look)

        look()


def _restarts_by_signal(process: Instance) -> bool:
    """Whether it restarts itself at its configured signal; what does not catch it is stopped and started."""
    number = process.spec.manners.restart_signal
    return number is not None and process.members.survives(number)
