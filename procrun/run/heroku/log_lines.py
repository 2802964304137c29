"""What happens to a dyno, in the words of Heroku's log (its texts since 2020; the states are its dyno manager's)."""

from collections.abc import Iterator

from procrun.core.events import R14, R15, RUNNING, Event, EventKind, boot_timeout, exit_timeout
from procrun.supervise.instance import Instance
from procrun.system.signals import exit_status

TOLD = frozenset({EventKind.TIMEOUT, EventKind.MEMORY, EventKind.MEMORY_KILL, EventKind.CYCLING})
"""What needs no other words than these."""

_STARTING, _UP, _CRASHED, _DOWN = "starting", "up", "crashed", "down"
_COMPLETE = "complete"
"""A one-off dyno that has ended, whatever its status; here what is to `run_once`."""


class Words:
    """Knows the state of each dyno, which Heroku tells whenever it changes."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def lines(self, process: Instance, event: Event) -> list[str]:
        """Heroku's lines for what has just happened: `heroku[web.1]: State changed from starting to up`."""
        if not process.spec.manners.dyno:
            return []
        return [f"heroku[{event.name}]: {text}" for text in self._tell(process, event)]

    def _tell(self, process: Instance, event: Event) -> Iterator[str]:
        match event.what:
            case EventKind.STARTED:
                yield from self._started(process)
            case EventKind.BOUND:
                yield from self._change(process, _UP)
            case EventKind.FAILED:
                yield from self._change(process, _CRASHED)
            case EventKind.EXITED if process.last_exit is not None:
                yield f"Process exited with status {exit_status(process.last_exit)}"
                if process.status.up:
                    yield from self._change(process, _COMPLETE if process.spec.manners.policy.once else _CRASHED)
            case EventKind.SIGNAL:
                yield from self._signalled(process, event.detail.split()[0])  # `TERM (caught by nobody)`
            case EventKind.TIMEOUT:
                yield exit_timeout(event.seconds)
                yield "Stopping remaining processes with SIGKILL"
            case EventKind.BOOT_TIMEOUT:
                yield boot_timeout(event.seconds)
                yield "Stopping process with SIGKILL"
            case EventKind.MEMORY:
                yield f"{RUNNING}{event.detail}"
                yield R14
            case EventKind.MEMORY_KILL:
                yield f"{RUNNING}{event.detail}"
                yield R15
                yield "Stopping process with SIGKILL"
            case EventKind.CYCLING:
                yield "Cycling"

    def _started(self, process: Instance) -> Iterator[str]:
        if process.spec.name in self._states:
            yield from self._change(process, _STARTING)
        self._states[process.spec.name] = _STARTING
        yield f"Starting process with command `{process.spec.command}`"
        if not process.spec.manners.boot_timeout:
            yield from self._change(process, _UP)

    def _signalled(self, process: Instance, name: str) -> Iterator[str]:
        """What one that has ended left behind is stopped, too: it stays crashed, or complete."""
        if name == "KILL":
            yield "Stopping remaining processes with SIGKILL"
            return
        if self._states.get(process.spec.name) not in {_CRASHED, _COMPLETE}:
            yield from self._change(process, _STARTING if process.status.wanted else _DOWN)
        yield f"Stopping all processes with SIG{name}"

    def _change(self, process: Instance, new: str) -> Iterator[str]:
        old = self._states.get(process.spec.name, _STARTING)
        self._states[process.spec.name] = new
        if old != new:
            yield f"State changed from {old} to {new}"
