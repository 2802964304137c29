"""How a run comes up: who was ready when, after waiting for whom; told once, the first time that all are ready."""

from collections.abc import Callable, Iterable
from time import monotonic

from procrun.core import tables
from procrun.core.errors import NOT_READY
from procrun.core.events import Event, EventKind, duration
from procrun.core.spec import Spec
from procrun.supervise.instance import Instance
from procrun.supervise.restart_policy import ends_well
from procrun.system.signals import describe, exit_status


class Start:
    """The first start of one instance; times are in seconds since that of the run."""

    def __init__(self, spec: Spec) -> None:
        self.name = spec.name
        self.asks = spec.manners.ready is not None or spec.manners.policy.once
        self.within = spec.manners.ready.within if spec.manners.ready is not None else None
        self.started: float | None = None
        self.ready: float | None = None
        self.by = ""
        self.waited_for = ""


class Startup:
    """Hears what happens until all of `specs` are ready, or one is not; `say` is told how long it took.

    With `end` it is told in a table, and when one crashes or is not ready in time `end` is called, with the reason and
    the exit status. What is stopped by hand, or may end and does so well, is left out of account.
    """

    def __init__(
        self, specs: Iterable[Spec], say: Callable[[str], None], end: Callable[[str, int], None] | None
    ) -> None:
        self.over = False
        self._say = say
        self._end = end
        self._begun = monotonic()
        self._starts = {spec.name: Start(spec) for spec in specs}

    def hear(self, process: Instance, event: Event) -> None:
        """Something happened to an instance."""
        start = self._starts.get(event.name)
        if start is None or self.over:
            return
        now = monotonic() - self._begun
        match event.what:
            case EventKind.WAITS:
                start.waited_for = start.waited_for or event.detail
            case EventKind.STARTED if start.started is None:
                start.started = now
            case EventKind.RUNNING if process.status.ready and start.ready is None:
                self._ready(start, now, f"lives {event.seconds:g} s")
            case EventKind.READY | EventKind.DONE if start.ready is None:
                self._ready(start, now, event.detail or "exit 0")
            case EventKind.UNREADY:
                self._fail(f"{start.name} was not ready in time", NOT_READY)
            case EventKind.EXITED | EventKind.FAILED if process.status.up:
                self._ended(start, process, now)
            case EventKind.GONE if process.status.left_down:
                self._leave_out(start)

    def _ready(self, start: Start, now: float, by: str) -> None:
        start.ready, start.by = now, by
        self._look()

    def _ended(self, start: Start, process: Instance, now: float) -> None:
        """It ended by itself. What its policy starts again may be ready yet, as long as it has time for that."""
        end, policy = process.last_exit, process.spec.manners.policy
        if end is None or ends_well(policy, end):
            return
        if process.status.wanted:
            if start.ready is None and start.within is not None and now - (start.started or 0.0) > start.within:
                self._fail(f"{start.name} was not ready in time", NOT_READY)
        elif exit_status(end) == 0 and not policy.essential:
            self._leave_out(start)
        else:
            self._fail(f"{start.name} ended ({describe(end)}) before all were ready", exit_status(end) or NOT_READY)

    def _leave_out(self, start: Start) -> None:
        del self._starts[start.name]
        self._look()

    def _fail(self, why: str, status: int) -> None:
        self.over = True
        if self._end is not None:
            self._end(why, status)

    def _look(self) -> None:
        starts = list(self._starts.values())
        if not starts or any(start.ready is None for start in starts):
            return
        self.over = True
        if self._end is None and not any(start.asks for start in starts):
            return
        self._say(f"everything is ready after {duration(max(start.ready or 0.0 for start in starts))}")
        if self._end is not None:
            for line in table(starts).splitlines():
                self._say(line)


def table(starts: Iterable[Start]) -> str:
    """When each was started and ready, what showed that, and how long it waited for others before."""
    cells = [
        (
            start.name,
            _seconds(start.started),
            _seconds(start.ready),
            start.by,
            f"{start.waited_for} {_seconds(start.started)}" if start.waited_for else None,
        )
        for start in starts
    ]
    return tables.table(cells, ("INSTANCE", "STARTED", "READY", "BY", "WAITED FOR"))


def _seconds(at: float | None) -> str | None:
    return f"{at:.2f} s" if at is not None else None
