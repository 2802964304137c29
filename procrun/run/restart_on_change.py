"""What a change of files does: the instances of a type that watches them are restarted, once for a burst."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import monotonic

from procrun.core.errors import ConfigError
from procrun.core.events import Event, EventKind, plan_changed
from procrun.eventloop import globs
from procrun.eventloop.file_watcher import CURE, Changes, Lookout, extension
from procrun.eventloop.globs import Globs
from procrun.eventloop.loop import Loop
from procrun.eventloop.worker import Occasional
from procrun.plan.layout import Plan
from procrun.plan.sources import changed_files
from procrun.supervise.instance import Instance
from procrun.supervise.supervisor import Supervisor

SOON = 2.0
"""Seconds after a start in which a change may be its own doing."""

SUSPICIOUS = 3
"""As many such changes of one file, one after the other, are told."""

PLAN = ""
"""Who watches the files that the plan was read from."""


def require(made: Plan) -> None:
    """Raise ConfigError where what is to run watches files, and nothing is installed that can."""
    types = [spec.type for spec in made.specs if made.manners[spec.type].watch]
    if types and extension() is None:
        raise ConfigError(CURE, made.sources.config.processes[types[0]].places["watch"])


class _Pending:
    """Files that have changed, and when that was heard last; a process that was started later knows them."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.at = 0.0

    def add(self, files: Iterable[str]) -> None:
        self.files.update(dict.fromkeys(files))
        self.at = monotonic()


class OnChange:
    """Watches what `made` says of these types, and the files it was read from, until `close`."""

    def __init__(
        self,
        supervisor: Supervisor,
        loop: Loop,
        aside: Occasional,
        made: Plan,
        types: Collection[str],
        say: Callable[[str], None],
    ) -> None:
        self._supervisor = supervisor
        self._aside = aside
        self._made = made
        self._say = say
        self._pending: dict[str, _Pending] = {}
        self._suspects: dict[str, int] = {}
        self._types = types
        self._lookout = Lookout(loop, self._wanted(), made.sources.root, self._changed, say)
        supervisor.watchers.append(self._hear)

    def adopt(self, made: Plan, types: Collection[str]) -> None:
        """The plan is `made` by now, and these are the types that watch."""
        self._made = made
        self._types = types
        self._lookout.look_for(self._wanted())

    def close(self, patience: float = 0.0) -> None:
        """Watch no more; wait up to `patience` seconds until nothing does."""
        self._supervisor.watchers.remove(self._hear)
        self._lookout.close(patience)

    def _wanted(self) -> dict[str, Globs]:
        root, log_dir = self._made.sources.root, self._made.sources.config.log_dir
        besides = [log_dir] if log_dir is not None and os.path.normpath(log_dir) != "." else []
        wanted = {type_: globs.read(self._made.manners[type_].watch, root, besides) for type_ in self._types}
        plan = globs.exactly(file for file, _ in self._made.sources.files)
        return {**wanted, PLAN: plan}

    def _changed(self, changes: Changes) -> None:
        if self._supervisor.verdict is not None:
            return
        if PLAN in changes:
            self._tell_of_plan(changes[PLAN])
        for type_ in self._types:
            if type_ in changes:
                self._pending.setdefault(type_, _Pending()).add(changes[type_])
                self._act(type_)

    def _tell_of_plan(self, files: Sequence[str]) -> None:
        """Unless they are read again already. A thread looks: the disk may stand still."""
        sources = self._made.sources

        def tell(now: Mapping[str, object]) -> None:
            new = [file for file in now if file in files]
            if new and sources is self._made.sources:
                self._say(plan_changed(sources.root, new))

        self._aside.do(lambda: changed_files(sources), tell)

    def _hear(self, process: Instance, event: Event) -> None:
        """A start or an end may be what a change has waited for."""
        if self._supervisor.verdict is not None:
            self._lookout.end()
            return
        type_ = process.spec.type
        if event.what == EventKind.GONE and process.status.finished and type_ in self._types:
            self._say(f"{process.spec.name} is started again when a file changes that it watches")
        if type_ in self._pending and event.what in (EventKind.RUNNING, EventKind.GONE, EventKind.CRASHED):
            self._supervisor.soon(lambda: self._act(type_))

    def _act(self, type_: str) -> None:
        """Restart what was started before the change. What is only just starting is let come up first."""
        pending = self._pending.get(type_)
        if pending is None or self._supervisor.verdict is not None:
            return
        processes = [p for p in self._supervisor.processes.values() if p.spec.type == type_ and p.started < pending.at]
        if not any(process.status.restartable_later for process in processes):
            del self._pending[type_]
        stale = [process for process in processes if process.status.restartable]
        if stale:
            self._suspect(type_, stale, pending)
            verb = "restarts" if len(stale) == 1 else "restart"
            names = ", ".join(process.spec.name for process in stale)
            self._say(f"{names} {verb}: {self._told(list(pending.files))}")
            self._supervisor.stop(stale, None, again=True)

    def _told(self, files: Sequence[str]) -> str:
        more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        return f"{self._short(files[0])} changed{more}"

    def _suspect(self, type_: str, stale: Iterable[Instance], pending: _Pending) -> None:
        """Who writes what it watches is restarted for ever; whose fault it is nobody can tell but the user."""
        if any(pending.at - process.started > SOON for process in stale):
            self._suspects = {}
            return
        for file in pending.files:
            self._suspects[file] = self._suspects.get(file, 0) + 1
            if self._suspects[file] == SUSPICIOUS:
                name = self._short(file)
                text = f"{name} has changed {SUSPICIOUS} times just after a start: does {type_} write it by itself?"
                self._say(f'{text} "!{name}" in its `watch` leaves it out')

    def _short(self, path: str) -> str:
        return os.path.relpath(path, self._made.sources.root)
