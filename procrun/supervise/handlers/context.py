"""What the handler of a request gets to work with: the run, its plan, and how to answer."""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import NamedTuple, Protocol

from procrun.control.protocol import Answer, Done, Progress, Talk
from procrun.core.errors import ControlError, ProcrunError
from procrun.core.events import Event
from procrun.core.spec import LONGEST_WAIT, Spec
from procrun.core.text import shown, there_are
from procrun.eventloop.loop import Loop
from procrun.output.backlog import Backlog
from procrun.supervise.instance import Instance
from procrun.supervise.operation import Goal, Operation
from procrun.supervise.supervisor import Supervisor

Send = Callable[[Answer], None]
"""Sends an answer to the client, now or later."""


class NewPlan(NamedTuple):
    """A plan that was read again: its specs, lines for the client, and what makes it the plan of the run."""

    specs: tuple[Spec, ...]
    notes: list[str]
    adopt: Callable[[], None]


class RunPlan(Protocol):
    """The plan that the run is on by now."""

    @property
    def platform(self) -> str:
        """The platform that the plan is for."""

    def instances(self, type_: str, count: int) -> Iterable[Spec]:
        """The first `count` instances of a type, those that there are not included. Raises ConfigError."""

    def changes(self) -> list[str]:
        """Lines about files of the plan that have changed since; a thread looks, and they come in a moment."""

    def read_again(self, then: Callable[[NewPlan], None], refused: Callable[[ProcrunError], None]) -> None:
        """Hand over the plan as its files are now, or a fault in them, or the fault that `then` raised."""


class Reader(Protocol):
    """A client that reads output."""

    over: bool


class Context(NamedTuple):
    """One run as its handlers see it; `pid` is what it is known by, and `say` writes a line into its stream."""

    supervisor: Supervisor
    loop: Loop
    backlog: Backlog
    plan: RunPlan
    pid: Callable[[], int]
    say: Callable[[str], None]
    readers: list[Reader]
    """Those who read the output, or have read it just now."""
    typing: dict[Instance, object]
    """The client whose keys an instance gets."""

    def choose(self, names: list[str]) -> list[Instance]:
        """The instances that names of types and instances mean; all when there are none.

        Raises ControlError that lists the names there are, and where the run is ending.
        """
        self.refuse_while_ending()
        return self.named(names)

    def named(self, names: list[str]) -> list[Instance]:
        """The same, also while the run is ending."""
        running = list(self.supervisor.processes.values())
        for name in names:
            if not any(name in (process.spec.name, process.spec.type) for process in running):
                there = sorted({p.spec.type for p in running} | {p.spec.name for p in running})
                raise ControlError(f"no process {shown(name)} here{there_are(there, name)}", 2)
        return [p for p in running if not names or p.spec.name in names or p.spec.type in names]

    def refuse_while_ending(self) -> None:
        """Raise ControlError where the run is ending."""
        if self.supervisor.verdict is not None:
            raise ControlError("this run is being stopped", 1)

    def server_only(self, what: str, instead: str) -> None:
        """Raise ControlError where the platform is not `server`; `instead` says what to do there."""
        platform = self.plan.platform
        if platform != "server":
            text = f'{what} is for platform = "server" in procrun.toml, and this run is on {platform}'
            raise ControlError(f"{text}: {instead}", 2)

    def carry_out(self, goal: Goal, act: Callable[[], object], send: Send) -> Talk:
        """Act, pass every step on, and reply once everything that the goal names has settled."""

        def done() -> None:
            outlived = self.supervisor.operations.outlived(goal.names)
            failed = self.supervisor.operations.failed(goal.up, goal.until_ready)
            send(Done([*failed, *outlived], list(goal.notes)))

        operation = Operation(goal.names, steps(send), done, goal.until_ready)
        self.supervisor.carry_out(operation, act)
        return Talk(lambda: self.supervisor.operations.forget(operation))


def names_of(processes: Iterable[Instance]) -> frozenset[str]:
    """The names of these instances."""
    return frozenset(process.spec.name for process in processes)


def steps(send: Send) -> Callable[[Event], None]:
    """What sends each step of an operation that begins now, with the seconds since."""
    begun = monotonic()

    def progress(h: Event) -> None:
        send(Progress(round(monotonic() - begun, 3), h.name, h.what, h.seconds, h.detail, h.pid))

    return progress


def checked_budget(timeout: float | None) -> float | None:
    """The budget given with the request; None for each process's own stop sequence. Raises ControlError."""
    if timeout is not None and not 0 < timeout <= LONGEST_WAIT:
        raise ControlError(f"{timeout} is no budget; give seconds from above 0 to {LONGEST_WAIT}", 2)
    return timeout
