"""The plan that a run is on by now: how it is read again, and what of a new one would need a new start."""

import os
from collections.abc import Callable, Iterable

from procrun.core.errors import ControlError, ProcrunError
from procrun.core.spec import Spec
from procrun.eventloop.worker import Occasional
from procrun.plan import config, findings, layout, preflight
from procrun.plan.options import Wishes
from procrun.plan.sources import changed_files
from procrun.supervise.handlers.context import NewPlan
from procrun.supervise.supervisor import Supervisor


class CurrentPlan:
    """Begins as the plan `made` of the start, which was made of `wishes`; the run may adopt another later."""

    def __init__(self, supervisor: Supervisor, aside: Occasional, made: layout.Plan, wishes: Wishes) -> None:
        self.now = made
        self.on_adopted: Callable[[], None] = lambda: None
        """Hears that the plan is another one from here on."""
        self._supervisor = supervisor
        self._aside = aside
        self._wishes = wishes

    @property
    def platform(self) -> str:
        """The platform that the plan is for."""
        return self.now.platform

    def instances(self, type_: str, count: int) -> Iterable[Spec]:
        """The first `count` instances of a type. Raises ConfigError."""
        return layout.instances(self.now, type_, count)

    def changes(self) -> list[str]:
        """Lines for a restart about the plan's files; they come in a moment, unless the disk stands still."""
        lines: list[str] = []
        sources = self.now.sources
        self._aside.do(lambda: changed_files(sources), lambda now: lines.extend(_told(now, sources.root)))
        return lines

    def read_again(self, then: Callable[[NewPlan], None], refused: Callable[[ProcrunError], None]) -> None:
        """Hand over the plan as its files are now, and its specs as scaled, or a fault in them.

        Ports and names stay those of the command line. A thread reads: the disk may stand still.
        """

        def planned(found: layout.Plan | ProcrunError) -> None:
            if isinstance(found, ProcrunError):
                refused(found)
                return
            running = self._supervisor.processes
            try:
                specs = tuple(layout.as_scaled(self.now, found, list(running)))
                preflight.make_room([spec for spec in specs if spec.name not in running])
                then(NewPlan(specs, self._notes(found), lambda: self._adopt(found)))
            except ProcrunError as error:
                refused(error)

        wishes = self._wishes
        self._aside.do(lambda: _built(wishes), planned)

    def _notes(self, new: layout.Plan) -> list[str]:
        unaccepted = findings.unaccepted(new.sources.findings, new.sources.config)
        return [*findings.lines(unaccepted), *_of_the_start(self.now, new)]

    def _adopt(self, new: layout.Plan) -> None:
        self.now = new
        self.on_adopted()


def _told(changed: Iterable[str], root: str) -> Iterable[str]:
    cure = "`procrun reload` restarts what is new in it"
    for file in changed:
        yield f"{os.path.relpath(file, root)} has changed since the start; restart keeps the old plan, {cure}"


def _built(wishes: Wishes) -> layout.Plan | ProcrunError:
    """The plan as its files are now, or what is wrong with them."""
    try:
        made = layout.build(wishes, os.environ, again=True)
        require_watchers(made)
    except ProcrunError as error:
        return error
    except Exception as error:  # no descriptors, no memory, a library that was replaced meanwhile: the run goes on
        return ControlError(f"the run could not do it: {error}")
    return made


def require_watchers(made: layout.Plan) -> None:
    """Raise ConfigError where files are to be watched, and nothing is installed that can."""
    if any(made.manners[spec.type].watch for spec in made.specs):
        from procrun.run.restart_on_change import require

        require(made)


def _of_the_start(before: layout.Plan, now: layout.Plan) -> list[str]:
    """A line for each setting that is new and that only a start looks at."""
    then, new = before.sources.config, now.sources.config
    keys = [key for key in ("log_dir", "log_size", "log_keep", "log_rotate") if getattr(then, key) != getattr(new, key)]
    keys += ["heroku.log"] * (then.heroku.log != new.heroku.log) + ["heroku.cycle"] * (before.cycle != now.cycle)
    return [f"{config.FILE}: {key} is new; it holds from the next `procrun start` on" for key in keys]
