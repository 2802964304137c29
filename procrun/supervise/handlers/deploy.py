"""A deploy: quiet at once, let the client's command run, read the plan again, drain, restart; or take it all back."""

from collections.abc import Callable
from time import monotonic

from procrun.control.protocol import Answer, Deployed, Done, Final, Go, Progress, Refused, Request, Talk
from procrun.core.errors import ControlError, ProcrunError
from procrun.core.events import EventKind, Happening
from procrun.core.spec import Spec
from procrun.eventloop.loop import Loop
from procrun.supervise.instance import DRAIN_EVERY, Instance
from procrun.supervise.operation import Errand
from procrun.supervise.state_machine import State
from procrun.supervise.supervisor import Supervisor

Send = Callable[[Answer], None]
Reloaded = Callable[[tuple[Spec, ...] | ProcrunError], None]
"""Hears the specs of the plan as its files are by now, or what is wrong with these."""


class Deployment:
    """One deploy of `processes`, told to a client by `send`; `talk` is what the client may still say.

    `reload` reads the plan again and hands over its specs, or a fault in it.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        loop: Loop,
        reload: Callable[[Reloaded], None],
        processes: list[Instance],
        send: Send,
    ) -> None:
        self.talk = Talk(self._vanished, self._more)
        self._supervisor = supervisor
        self._loop = loop
        self._reload = reload
        self._processes = processes
        self._send = send
        self._begun = monotonic()
        self._client_works = True

    def begin(self, drain_first: float | None) -> None:
        """Quiet what can be quieted, and let the client go on, at once or when running work has ended."""
        for process in self._processes:
            if process.state is State.UP:
                sent = process.make_quiet()
                if sent:
                    self._progress(Happening(process.spec.name, EventKind.QUIET, 0.0, sent, process.pid))
        self._when_drained(drain_first or 0.0, lambda: self._send(Go()))

    def _more(self, request: Request) -> None:
        if not isinstance(request, Deployed) or not self._client_works:
            raise ControlError("a deploy is under way on this connection", 2)
        self._client_works = False
        if request.status != 0:
            self._take_back(Done([], [f"the command failed: {self._undone()}"]))
            return

        def go_on(found: tuple[Spec, ...] | ProcrunError) -> None:
            if isinstance(found, ProcrunError):
                self._take_back(Refused(f"{found}; {self._undone()}", found.exit_status))
            else:
                self._when_drained(request.drain or 0.0, lambda: self._put_in_place(found))

        self._reload(go_on)

    def _vanished(self) -> None:
        """The client is gone: nothing that was quieted may stay so; a restart under way goes on."""
        self._send = lambda answer: None
        if self._client_works:
            self._client_works = False
            self._take_back(Done([], []))

    def _undone(self) -> str:
        """What is done about a deploy that goes no further."""
        quieted = any(process.quieted for process in self._processes)
        return "what was quieted was restarted on the old plan" if quieted else "nothing was quieted, all runs on"

    def _take_back(self, reply: Final) -> None:
        quieted = [process for process in self._processes if process.quieted]
        self._carry_out(quieted, lambda: self._supervisor.stop(quieted, None, again=True), lambda: self._send(reply))

    def _put_in_place(self, specs: tuple[Spec, ...]) -> None:
        """Restart what is deployed on the new plan, start what it adds, stop what it no longer has."""
        added, removed = self._supervisor.replan(specs)
        staying = [process for process in self._processes if process not in removed]
        by_signal = [p for p in staying if p.state is State.UP and _restarts_by_signal(p)]

        def act() -> None:
            for process in by_signal:
                process.send(process.spec.manners.restart_signal or 0)
            self._supervisor.replace([p for p in staying if p not in by_signal], removed)
            self._supervisor.start(added)

        def done() -> None:
            self._supervisor.remove(process.spec.name for process in removed)
            wanted = [*(process.spec.name for process in staying), *(spec.name for spec in added)]
            self._send(Done(self._supervisor.failed(wanted, until_ready=False), []))

        self._carry_out([*staying, *removed], act, done, frozenset(spec.name for spec in added))

    def _carry_out(
        self,
        processes: list[Instance],
        act: Callable[[], None],
        done: Callable[[], None],
        besides: frozenset[str] = frozenset(),
    ) -> None:
        names = besides | {process.spec.name for process in processes}
        self._supervisor.carry_out(Errand(names, self._progress, done), act)

    def _when_drained(self, limit: float, then: Callable[[], None]) -> None:
        """Go on when no quieted worker is busy any more, as its title says, or after `limit` seconds."""
        end = monotonic() + limit

        def look() -> None:
            if monotonic() >= end:
                then()
                return
            asked = [process.ask_drained() for process in self._processes if process.quieted]
            self._supervisor.aside().do(lambda: all(ask() for ask in asked), seen)

        def seen(drained: bool) -> None:
            if drained:
                then()
            else:
                self._loop.at(min(end, monotonic() + DRAIN_EVERY), look)

        look()

    def _progress(self, h: Happening) -> None:
        self._send(Progress(round(monotonic() - self._begun, 3), h.name, h.what, h.seconds, h.detail, h.pid))


def _restarts_by_signal(process: Instance) -> bool:
    """Whether it restarts itself at its configured signal; what does not catch it is stopped and started."""
    return process.spec.manners.restart_signal is not None and process.survives(process.spec.manners.restart_signal)
