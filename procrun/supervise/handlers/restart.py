"""`start`, `stop` and `restart`: all at once, or one instance after the other."""

from functools import partial
from time import monotonic

from msgspec.structs import replace

from procrun.control.protocol import Answer, Done, Progress, Restart, Start, Stop, Talk
from procrun.core.errors import ControlError
from procrun.supervise.handlers.context import Context, Send, checked_budget, names_of
from procrun.supervise.instance import Instance
from procrun.supervise.operation import Goal
from procrun.supervise.supervisor import Verdict


def start(context: Context, request: Start, send: Send) -> Talk:
    """Start what is down."""
    chosen = context.choose(request.names)
    specs = [process.spec for process in chosen]
    names = names_of(chosen)
    goal = Goal(names, up=names, until_ready=request.wait)
    return context.carry_out(goal, lambda: context.supervisor.start(specs), send)


def stop(context: Context, request: Stop, send: Send) -> Talk:
    """Stop what is named; where nothing is, all of it, and the run ends."""
    chosen = context.choose(request.names)
    budget = checked_budget(request.timeout)

    def act() -> None:
        context.supervisor.stop(chosen, budget, again=False)
        if not request.names:
            context.supervisor.on_end("`procrun stop` was called", Verdict(0, told=True))

    down = [process for process in chosen if process.status.over]
    told = [f"{process.spec.name} is down already" for process in down if request.names or not process.status.done]
    return context.carry_out(Goal(names_of(chosen), notes=told), act, send)


def restart(context: Context, request: Restart, send: Send) -> Talk:
    """Stop what is meant and start it again."""
    chosen = context.choose(request.names)
    budget = checked_budget(request.timeout)
    if not request.names:
        chosen = [process for process in chosen if not process.status.done]  # it was to run once
    if request.rolling:
        # As a deploy: stores are restarted by name only, or their clients would lose them in between.
        chosen = [p for p in chosen if request.names or not p.manners.store]
        return _Rolling(context, chosen, budget, send).begin()
    _refuse_in_vain(context, chosen)
    names = names_of(chosen)
    goal = Goal(names, up=names, notes=context.plan.changes())
    return context.carry_out(goal, lambda: context.supervisor.stop(chosen, budget, again=True), send)


def _refuse_in_vain(context: Context, chosen: list[Instance]) -> None:
    """Stop nothing that would wait for ever to start again, since what it starts after is down.

    Raises ControlError that says for what.
    """
    names = names_of(chosen)
    supervisor = context.supervisor
    for process in chosen:
        missing = [name for name in supervisor.dependencies.missing(process) if name not in names]
        missing = [name for name in missing if supervisor.processes[name].status.down]
        if missing:
            cure = f"`procrun start {' '.join(missing)}` first"
            text = f"{process.spec.name} starts after {', '.join(missing)}, which does not run; {cure}"
            raise ControlError(text, 1)


class _Rolling:
    """One after the other, each until it is ready; the first that does not come back so ends it."""

    def __init__(self, context: Context, chosen: list[Instance], budget: float | None, send: Send) -> None:
        self._context = context
        self._rest = context.supervisor.dependencies.in_order(chosen)
        self._budget = budget
        self._send = send
        self._current = Talk()
        self._begun = monotonic()
        self._before = 0.0
        """Seconds from the request to the restart that is under way."""

    def begin(self) -> Talk:
        """Restart the first; nothing to restart is done at once."""
        if self._rest:
            self._step()
        else:
            self._send(Done([], []))
        return Talk(self._vanished)

    def _vanished(self) -> None:
        self._rest.clear()
        self._current.vanished()

    def _relay(self, answer: Answer) -> None:
        running = self._context.supervisor.processes
        self._rest = [p for p in self._rest if running.get(p.spec.name) is p]  # not scaled away
        if isinstance(answer, Progress):
            self._send(replace(answer, at=round(self._before + answer.at, 3)))
        elif isinstance(answer, Done) and not answer.failed and self._rest:
            self._step()
        elif isinstance(answer, Done) and self._rest:
            left = ", ".join(process.spec.name for process in self._rest)
            self._send(Done(answer.failed, [*answer.notes, f"not restarted: {left}"]))
        else:
            self._send(answer)

    def _step(self) -> None:
        self._before = monotonic() - self._begun
        one = self._rest.pop(0)
        missing = self._context.supervisor.dependencies.missing(one)
        if missing:
            text = f"{one.spec.name} was left alone, as it starts after {', '.join(missing)}, which does not run"
            self._relay(Done([one.spec.name], [text]))
            return
        notes = self._context.plan.changes() if not self._rest else []
        act = partial(self._context.supervisor.stop, [one], self._budget, again=True)
        names = names_of([one])
        goal = Goal(names, up=names, notes=notes, until_ready=True)
        self._current = self._context.carry_out(goal, act, self._relay)
