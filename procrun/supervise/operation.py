"""Operations of clients on some instances, each from the request to its end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from procrun.core.events import Event
from procrun.supervise.dependencies import Dependencies
from procrun.supervise.instance import Instance


class Goal(NamedTuple):
    """What an operation is about: `names` have to settle, and those of `up` have to be up then.

    With `until_ready` they have to be ready, too. `notes` are lines for the client that go with the answer.
    """

    names: frozenset[str]
    up: frozenset[str] = frozenset()
    notes: Sequence[str] = ()
    until_ready: bool = False


class Operation(NamedTuple):
    """What a client asked for: it hears of each step of these instances, and when all of them have settled.

    With `until_ready` each must be ready where anything is asked, by default too.
    """

    names: frozenset[str]
    progress: Callable[[Event], None]
    done: Callable[[], None]
    until_ready: bool = False


class Operations:
    """Those that are under way, and what came of the instances that they were about."""

    def __init__(self, instances: Mapping[str, Instance], dependencies: Dependencies) -> None:
        self._instances = instances
        self._dependencies = dependencies
        self._under_way: list[Operation] = []

    def begin(self, operation: Operation) -> None:
        """Report on it from now on."""
        self._under_way.append(operation)

    def forget(self, operation: Operation) -> None:
        """Its client has gone."""
        if operation in self._under_way:
            self._under_way.remove(operation)

    def progress(self, event: Event) -> None:
        """Something happened to an instance."""
        for operation in list(self._under_way):
            if event.name in operation.names:
                operation.progress(event)

    def check(self) -> None:
        """End those of which every instance has settled."""
        for operation in list(self._under_way):
            there = [self._instances[name] for name in operation.names if name in self._instances]
            if all(self._has_settled(instance, operation.until_ready) for instance in there):
                self._under_way.remove(operation)
                operation.done()

    def _has_settled(self, instance: Instance, until_ready: bool) -> bool:
        held = self._dependencies.is_held(instance)
        return not held and instance.status.has_settled(instance.spec, until_ready)

    def failed(self, names: Iterable[str], until_ready: bool) -> list[str]:
        """Those of the instances that have not come up, or not in time where that is awaited."""
        there = {name: self._instances.get(name) for name in sorted(names)}
        return [name for name, instance in there.items() if instance is None or not _came_up(instance, until_ready)]

    def outlived(self, names: Iterable[str]) -> list[str]:
        """Those of the instances that are down although something of them outlives KILL."""
        there = [self._instances[name] for name in sorted(names) if name in self._instances]
        return [instance.spec.name for instance in there if instance.status.over and instance.members.outlived()]


def _came_up(instance: Instance, until_ready: bool) -> bool:
    """Whether it runs or is done; and is ready in time where that is awaited, or asked for by `until_ready`."""
    return instance.status.came_up(until_ready or instance.spec.manners.awaited)
