"""Whether one life of an instance is ready, and whether it still works: its readiness probe and its monitor."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from procrun.supervise.members import Members
from procrun.supervise.surroundings import Surroundings

if TYPE_CHECKING:  # imported behind the first child, or where something is to be watched
    from procrun.health.monitor import Health
    from procrun.health.readiness import Asked, Probe


class Ears(NamedTuple):
    """Who is told: what answered or why nothing did, why it hangs, that its watchdog has not begun in time."""

    answered: Callable[[str, str], None]
    hung: Callable[[str], None]
    unwatched: Callable[[], None]


class HealthChecks:
    """Those of one instance, in each of its lives; `readers` hear its lines."""

    def __init__(
        self, around: Surroundings, members: Members, readers: list[Callable[[bytes], None]], ears: Ears
    ) -> None:
        self._around = around
        self._members = members
        self._readers = readers
        self._ears = ears
        self._probe: Probe | None = None
        self._health: Health | None = None

    def prepare(self) -> Mapping[str, str]:
        """Watch over what is about to be started, where anything is to be watched; what it must be told for that."""
        manners, around = self._members.spec.manners, self._around
        notifies = manners.ready is not None and manners.ready.kind == "notify"
        if not (manners.watchdog or manners.alive or notifies):
            return {}
        from procrun.health.monitor import Ears as Hearers
        from procrun.health.monitor import Health

        ears = Hearers(self._ears.hung, self._notified, self._ears.unwatched)
        self._health = Health(around.loop, manners, self._asked(), around.questions().ends, ears, around.kept)
        return self._health.env

    def begin(self) -> bool:
        """It has started: ask whether it is ready, where a readiness probe says how. Whether it is asked."""
        around, ready = self._around, self._members.spec.manners.ready
        if ready is None:
            return False
        from procrun.health.readiness import Probe

        self._probe = Probe(around.loop, ready, self._asked(), around.questions(), self._answered)
        return True

    def _asked(self) -> "Asked":
        from procrun.health.readiness import Asked

        spec, members = self._members.spec, self._members
        return Asked(spec.name, spec.port, spec.root, spec.env, members.pids, self._readers, members.family)

    def _answered(self, by: str, reason: str) -> None:
        self._probe = None
        self._ears.answered(by, reason)

    def _notified(self) -> None:
        """It has told that it is ready (sd_notify(3))."""
        if self._probe is not None:
            self._probe.notified()

    def watch(self, answered: bool) -> None:
        """It has come up: see from now on that it works. Where it has `answered`, it knows its watchdog too."""
        if self._health is not None:
            self._health.begin(answered)

    @property
    def status_text(self) -> str:
        """What it says of itself (STATUS=, sd_notify(3)), empty where it says nothing."""
        return self._health.status if self._health is not None else ""

    def freeze(self, frozen: bool) -> None:
        """It stands still with the whole run (Ctrl-Z), or goes on."""
        if self._probe is not None:
            self._probe.freeze(frozen)
        if self._health is not None:
            self._health.freeze(frozen)

    def rest(self) -> None:
        """It is being stopped: nothing is asked any more."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        if self._health is not None:
            self._health.rest()

    def close(self) -> None:
        """It has gone."""
        if self._health is not None:
            self._health.close()
            self._health = None
