"""What an instance is: one value, and every question about it that somebody else asks."""

from typing import NamedTuple

from procrun.core.spec import Spec
from procrun.supervise.state_machine import State


class Status(NamedTuple):
    """The state of an instance, the wish, and what was seen of it in this life.

    Only the instance replaces its status. `finished` is whether it ended by itself, or hangs, and is left down by its
    restart policy. `crashed` is whether it ended by itself and its next start waits. `probing` is whether its readiness
    probe still asks. `ready` is whether dependents may start: the readiness probe passed, or there is none and it has
    lived for a moment, or it was to run once and ended well. `unready` is whether the probe has run out of time.
    """

    state: State = State.DOWN
    wanted: bool = False
    finished: bool = False
    hung: bool = False
    crashed: bool = False
    settled: bool = False
    probing: bool = False
    ready: bool = False
    unready: bool = False
    quieted: bool = False

    @property
    def down(self) -> bool:
        """Whether nothing of it is alive that could be stopped."""
        return self.state is State.DOWN

    @property
    def up(self) -> bool:
        """Whether its leader runs; while its `exited` or `failed` is told: whether no stop was under way."""
        return self.state is State.UP

    @property
    def stopping(self) -> bool:
        """Whether its stop sequence is under way."""
        return self.state is State.STOPPING

    @property
    def waits(self) -> bool:
        """Whether it starts as soon as the instances that it comes after are ready."""
        return self.wanted and self.down and not self.crashed

    @property
    def done(self) -> bool:
        """Whether it was to run once, and has ended with 0."""
        return self.ready and self.down

    @property
    def present(self) -> bool:
        """Whether it need not be started to have it: it is wanted up, or was to run once and is done."""
        return self.wanted or self.done

    @property
    def over(self) -> bool:
        """Whether it is down and stays so."""
        return self.down and not self.wanted

    @property
    def left_down(self) -> bool:
        """Whether somebody wants it down, or nobody has wanted it up: it did not end by itself."""
        return not self.wanted and not self.finished

    @property
    def serves(self) -> bool:
        """Whether it is ready and will stay so."""
        return self.ready and self.present

    @property
    def cannot_serve(self) -> bool:
        """Whether it will not be ready unless somebody starts it, or was not ready in time."""
        return self.unready or not self.wanted

    @property
    def unblocks(self) -> bool:
        """Whether nobody waits for it: it is ready, or too late to be waited for."""
        return self.ready or self.unready

    @property
    def ended_by_itself(self) -> bool:
        """While its `exited` is told: whether nobody had asked for that end; a store may end before its stop begins."""
        return self.up and (self.wanted or self.finished)

    @property
    def restartable(self) -> bool:
        """Whether a changed file restarts it now, or starts it again; not an instance that was stopped by hand."""
        if self.up:
            return self.wanted and self.settled
        return self.down and (self.finished or (self.wanted and self.crashed))

    @property
    def restartable_later(self) -> bool:
        """Whether it is just coming up, or ended by itself and what it left is being stopped."""
        if self.up:
            return self.wanted and not self.settled
        return self.stopping and not self.wanted and self.finished

    def came_up(self, answers: bool) -> bool:
        """Whether it runs or is done; with `answers` it must not have missed the time of its readiness probe either."""
        return self.done or (self.up and not (self.unready and answers))

    def has_settled(self, spec: Spec, until_ready: bool) -> bool:
        """Whether what was asked for it has happened: down and meant to be, or running and, where awaited, ready."""
        if self.stopping:
            return False
        if self.down:
            return not self.wanted or self.crashed
        if spec.manners.policy.once:
            return False  # it will have ended
        return self.settled and not (self.probing and (until_ready or spec.manners.awaited))

    def word(self, spec: Spec) -> str:
        """What `ps` calls it."""
        if self.stopping:
            return "restarting" if self.wanted else "stopping"
        if self.down and self.wanted:
            return "crashed" if self.crashed else "waiting"
        if self.down:
            return "done" if self.done else "down"
        if self.quieted:
            return "quiet"
        if spec.manners.ready is None:
            return "up"
        return "starting" if self.probing else "unready" if self.unready else "ready"
