"""A client that watches: it hears of each thing that happens to some instances, for ever or until all are as wanted."""

from time import monotonic

from procrun.control.protocol import Done, Progress, Refused, Talk, Wait, Watch
from procrun.core.events import Event, EventKind, as_event
from procrun.supervise.handlers.context import Context, Send, checked_budget
from procrun.supervise.instance import Instance


def watch(context: Context, request: Watch, send: Send) -> Talk:
    """Pass on what happens from here on."""
    return Watching(context, request, send).talk


def wait(context: Context, request: Wait, send: Send) -> Talk:
    """Reply once it is as wanted."""
    checked_budget(request.timeout)
    return Waiting(context, request, send).talk


class Watching:
    """Passes what happens to what is named on by `send`; new instances of their types are watched too."""

    def __init__(self, context: Context, request: Watch, send: Send) -> None:
        processes = context.named(request.names)
        supervisor = context.supervisor
        self.talk = Talk(self._vanished)
        self._supervisor = supervisor
        self._all = not request.names
        self._types = {process.spec.type for process in processes if process.spec.type in request.names}
        self._names = {process.spec.name for process in processes}
        self._send = send
        self._begun = monotonic()
        supervisor.watchers.append(self._hear)

    def _hear(self, process: Instance, event: Event) -> None:
        if self._all or process.spec.name in self._names or process.spec.type in self._types:
            name, what, seconds, detail, pid = as_event(event, process.restarts)
            self._send(Progress(round(monotonic() - self._begun, 6), name, what, seconds, detail, pid))

    def _vanished(self) -> None:
        self._supervisor.watchers.remove(self._hear)


class Waiting:
    """Replies once all that are named are ready, or have ended; failed are those that end instead, or are too late."""

    def __init__(self, context: Context, request: Wait, send: Send) -> None:
        self.talk = Talk(self._end)
        self._supervisor = context.supervisor
        self._request = request
        self._waiting = context.named(request.names)
        self._send = send
        self._timer = context.loop.after(request.timeout, self._time_out) if request.timeout is not None else None
        self._supervisor.watchers.append(self._hear)
        self._look()

    def _hear(self, process: Instance, event: Event) -> None:
        if event.what in (
            EventKind.EXITED,
            EventKind.FAILED,
            EventKind.READY,
            EventKind.UNREADY,
            EventKind.RUNNING,
            EventKind.GONE,
            EventKind.DONE,
        ):
            self._look()

    def _look(self) -> None:
        self._waiting = [process for process in self._waiting if not self._reached(process)]
        failed = [process.spec.name for process in self._waiting if self._out_of_reach(process)]
        if failed or not self._waiting:
            self._end()
            self._send(Done(failed, []))

    def _reached(self, process: Instance) -> bool:
        if self._request.until == "ready":
            return process.status.serves
        return process.status.over

    def _out_of_reach(self, process: Instance) -> bool:
        return self._request.until == "ready" and process.status.cannot_serve

    def _time_out(self) -> None:
        self._end()
        names = ", ".join(process.spec.name for process in self._waiting)
        what = EventKind.READY if self._request.until == "ready" else "over"
        self._send(Refused(f"not {what} in time: {names}", 124))

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._hear in self._supervisor.watchers:
            self._supervisor.watchers.remove(self._hear)
