"""In which order instances start and stop: what each comes after, and which stops wait for dependents to be gone."""

from collections.abc import Iterable, Mapping

from procrun.core.dependencies import ranks
from procrun.supervise.instance import Instance


class Dependencies:
    """The order of all instances of a run; `changed` is called when there are others, or when they are planned anew."""

    def __init__(self, instances: Mapping[str, Instance]) -> None:
        self._all = instances
        self._held: dict[str, float | None] = {}
        """The stops that wait for dependents, each with its budget."""
        self._late_stores: set[str] = set()
        """The types that turned out to be stores: whatever is no store starts after them and stops before."""
        self._made: _Order | None = None

    def changed(self) -> None:
        """The order is not what it was."""
        self._made = None

    def found_store(self, store: Instance) -> None:
        """It turned out to be a store: whatever is no store starts after it and stops before it from here on.

        Unless it starts after another type itself: that order was asked for, and a cycle would start nothing.
        """
        if not self._after(store):
            self._late_stores.add(store.spec.type)
            self.changed()

    def rank(self, type_: str) -> int:
        """How many types must be gone, one after the other, before this one is stopped: 0 for most."""
        return self._order.ranks.get(type_, 0)

    def in_order(self, instances: Iterable[Instance]) -> list[Instance]:
        """Those that are down first, what others come after before these; the rest as they are."""
        return sorted(instances, key=lambda each: (not each.status.down, -self.rank(each.spec.type)))

    def blockers(self, instance: Instance) -> list[Instance]:
        """What it is started after and is not ready, nor too late to be waited for; or will be stopped in a moment."""
        return [
            other
            for type_ in dict.fromkeys(self._after(instance))
            for other in self._order.instances.get(type_, ())
            if not other.status.unblocks or other.spec.name in self._held
        ]

    def missing(self, instance: Instance) -> list[str]:
        """What it is started after and will not come: nobody wants it up."""
        return [other.spec.name for other in self.blockers(instance) if not other.status.wanted]

    def waiting(self, type_: str) -> list[str]:
        """The instances that would start if this type was ready, or that wait for others besides."""
        return [user.spec.name for user in self._order.users.get(type_, ()) if user.status.waits]

    def hold(self, instance: Instance, budget: float | None) -> None:
        """Have it stopped inside `budget` once no dependent is being stopped any more."""
        self._held.setdefault(instance.spec.name, budget)

    def is_held(self, instance: Instance) -> bool:
        """Whether its stop waits for dependents."""
        return instance.spec.name in self._held

    def release(self) -> None:
        """Begin the stops that wait for no dependent any more."""
        for name in list(self._held):
            instance = self._all[name]
            users = self._order.users.get(instance.spec.type, ())
            if not any(user.status.stopping or self.is_held(user) for user in users):
                instance.stop(self._held.pop(name))

    def _after(self, instance: Instance) -> tuple[str, ...]:
        """The types that it starts after, by the newest plan for all: two plans at a time might make a cycle."""
        planned = instance.next_spec.manners.after
        if instance.manners.store:
            return planned
        return (*planned, *(self._late_stores - {instance.spec.type, *planned}))

    @property
    def _order(self) -> "_Order":
        if self._made is None:
            self._made = _Order([(each, self._after(each)) for each in self._all.values()])
        return self._made


class _Order:
    """What comes after what: looked at often, and made anew when it changes.

    `instances` are those of each type, `users` those that come after a type; `ranks` is as in `core.dependencies`.
    """

    def __init__(self, instances: Iterable[tuple[Instance, tuple[str, ...]]]) -> None:
        self.instances: dict[str, list[Instance]] = {}
        self.users: dict[str, list[Instance]] = {}
        after: dict[str, set[str]] = {}
        for instance, types in instances:
            self.instances.setdefault(instance.spec.type, []).append(instance)
            after.setdefault(instance.spec.type, set()).update(types)
            for type_ in set(types):
                self.users.setdefault(type_, []).append(instance)
        self.ranks = ranks(after)
