"""`reload`: of a plan that was read again only what is new is put in place, each instance as little as it needs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from procrun.control.protocol import Done, Refused, Reload, Talk
from procrun.core.events import Event, EventKind
from procrun.core.spec import Spec
from procrun.supervise.handlers.context import Context, NewPlan, Send, steps
from procrun.supervise.instance import Instance
from procrun.supervise.operation import Operation
from procrun.supervise.supervisor import Supervisor


def reload(context: Context, request: Reload, send: Send) -> Talk:
    """Read the plan again, and put in place what is new; for a client that is still there then."""
    context.refuse_while_ending()
    gone: list[bool] = []

    def begin(now: NewPlan) -> None:
        if gone:
            return
        context.refuse_while_ending()
        reloading = Reloading(context, now.specs, send)
        if request.dry_run:
            reloading.rehearse(now.notes)
        else:
            now.adopt()
            reloading.begin(now.notes)

    context.plan.read_again(begin, lambda error: send(Refused(str(error), error.exit_status)))
    return Talk(lambda: gone.append(True))


class Fate(NamedTuple):
    """What a reload does to one instance: one of KINDS, and why."""

    name: str
    kind: str
    why: str

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}{self.why}"


KINDS = {
    "restarts": "restarts: ",
    "starts": "starts: it is new",
    "stops": "stops: it is no longer planned",
    "adapts": "goes on with another ",
    "down": "stays down; has another ",
    "unchanged": "unchanged",
}
"""What may be done, in words."""


def fates(supervisor: Supervisor, specs: Iterable[Spec]) -> Iterator[Fate]:
    """What becomes of each instance that there is, and of each that is new, where `specs` is all that shall be."""
    by_name = {spec.name: spec for spec in specs}
    for name, process in supervisor.processes.items():
        yield _fate(process, by_name.pop(name)) if name in by_name else Fate(name, "stops", "")
    yield from (Fate(name, "starts", "") for name in by_name)


def _fate(process: Instance, spec: Spec) -> Fate:
    runs_with, manners = difference(process.spec, spec)
    if not runs_with and not manners:
        return Fate(spec.name, "unchanged", "")
    if process.status.left_down:
        return Fate(spec.name, "down", ", ".join((*runs_with, *manners)))  # it was stopped by hand, and stays so
    if runs_with:
        return Fate(spec.name, "restarts", ", ".join((*runs_with, *manners)))
    return Fate(spec.name, "adapts", ", ".join(manners))


class Reloading:
    """One reload to `specs`, told to a client by `send`, and in the stream of the run."""

    def __init__(self, context: Context, specs: tuple[Spec, ...], send: Send) -> None:
        self._supervisor = context.supervisor
        self._specs = specs
        self._send = send
        self._say = context.say
        self._progress = steps(send)
        self._fates = tuple(fates(context.supervisor, specs))

    def rehearse(self, notes: list[str]) -> None:
        """Tell what would be done."""
        self._tell_plan()
        self._send(Done([], [*notes, "nothing was done"]))

    def begin(self, notes: list[str]) -> None:
        """Tell what is done, do it, and answer once all of it has settled.

        Whoever vanishes: what was begun is done to its end, or half of it would run on the old plan.
        """
        self._tell_plan()
        new = [fate for fate in self._fates if fate.kind != "unchanged"]
        for line in [f"{fate.name} {fate}" for fate in new] or ["reload: nothing is new"]:
            self._say(line)
        added, removed = self._supervisor.replan(self._specs)
        gone = [process.spec.name for process in removed]
        back = self._names("restarts")
        processes = self._supervisor.processes

        def act() -> None:
            for name in self._names("adapts", "unchanged"):
                processes[name].adapt()
            self._supervisor.replace([processes[name] for name in back], removed)
            self._supervisor.start(added)

        def done() -> None:
            self._supervisor.remove(gone)
            wanted = [*back, *self._names("starts")]
            failed = [name for name in wanted if name not in processes or not processes[name].status.up]
            self._send(Done(failed, notes))

        operation = Operation(frozenset([*back, *gone, *self._names("starts")]), self._progress, done)
        self._supervisor.carry_out(operation, act)

    def _names(self, *kinds: str) -> list[str]:
        return [fate.name for fate in self._fates if fate.kind in kinds]

    def _tell_plan(self) -> None:
        for fate in self._fates:
            self._progress(Event(fate.name, EventKind.PLAN, 0.0, str(fate), 0))


MOST = 6
"""Names of variables that are told; of more their number."""


_WORDS = {"shell_line": "command", "root": "folder", "console": "terminal", "policy": "restart policy"}
"""What a field is called, where that is not its own name."""


_ASIDE = frozenset({"name", "type", "quiet", "manners", "command", "env"})
"""Fields of a Spec that are told in another way, or that a process knows nothing of."""


_WATCHED = frozenset({"watchdog", "alive"})
"""Manners that are looked after from a start on, and told to the process by its environment."""


class Difference(NamedTuple):
    """What is new for an instance: in `runs_with` what only a new process can have, in `manners` the rest."""

    runs_with: tuple[str, ...]
    manners: tuple[str, ...]


def difference(before: Spec, now: Spec) -> Difference:
    """What `now` has that `before` had not; names alone, since values may be secrets."""
    env = list(_variables(before.env, now.env))
    fields = (name for name in Spec._fields if name not in _ASIDE and getattr(before, name) != getattr(now, name))
    manners = [name for name in now.manners._fields if getattr(before.manners, name) != getattr(now.manners, name)]
    watched = [name for name in manners if name in _WATCHED]
    return Difference(
        (*([f"env {_some(env)}"] if env else ()), *_told(fields), *_told(watched)),
        tuple(_told(name for name in manners if name not in watched)),
    )


def _variables(before: Mapping[str, str], now: Mapping[str, str]) -> Iterable[str]:
    """The variables that differ, but for PORT: that is told as the port."""
    return (name for name in sorted({*before, *now} - {"PORT"}) if before.get(name) != now.get(name))


def _some(names: list[str]) -> str:
    more = len(names) - MOST
    return " ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")


def _told(fields: Iterable[str]) -> Iterable[str]:
    return (_WORDS.get(name, name.replace("_", " ")) for name in fields)
