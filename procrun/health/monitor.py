"""Whether one instance still works, from its start to its end: what it says of itself, and what it is asked."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from procrun.core.run_dir import Kept
from procrun.core.spec import Manners
from procrun.core.text import plain
from procrun.eventloop.loop import Loop, Timer
from procrun.health.liveness import Alive, asker
from procrun.health.readiness import Asked
from procrun.health.sd_notify import LONGEST_STATUS, Mailbox
from procrun.health.watchdog_timer import Countdown
from procrun.system.types import Exit


class Ears(NamedTuple):
    """Who is told: why it hangs, that it has sent READY=1, that it has said no first word in its watchdog's time."""

    hung: Callable[[str], None]
    ready: Callable[[], None]
    unwatched: Callable[[], None]


class Health:
    """Watches one start of an instance. Raises OSError where there can be no socket for it.

    `env` is what it must know to tell how it is, `status` its last STATUS=; the socket for that is put among `kept`.
    `ends` is where who reaps finds whom to tell the end of a command that asks.
    """

    def __init__(
        self,
        loop: Loop,
        manners: Manners,
        asked: Asked,
        ends: dict[int, Callable[[Exit], None]],
        ears: Ears,
        kept: set[Kept],
    ) -> None:
        self.status = ""
        self.env: dict[str, str] = {}
        self._kept = kept
        self._seconds = manners.watchdog
        self._ears = ears
        self._mailbox: Mailbox | None = None
        self._heartbeat: Countdown | None = None
        self._first_word: Timer | None = None
        self._watchdog: _Watch | None = None
        self._alive: _Watch | None = None
        if self._seconds or (manners.ready is not None and manners.ready.kind == "notify"):
            self._mailbox = Mailbox(asked.root, loop, self._hear)
            kept.add(self._mailbox)
            self.env["NOTIFY_SOCKET"] = self._mailbox.path
        if self._seconds and self._mailbox is not None:
            # No WATCHDOG_PID: behind a shell or a wrapper nobody can tell it, and none means everybody
            # (sd_watchdog_enabled(3); Sidekiq's sd_notify.rb).
            self.env["WATCHDOG_USEC"] = str(round(self._seconds * 10**6))
            self._heartbeat = Countdown(loop, self._seconds, self._silent, self._mailbox.look)
            self._watchdog = _Watch(self._heartbeat)
            self._first_word = loop.after(self._seconds, ears.unwatched)
        if manners.alive is not None:
            self._alive = _Watch(Alive(loop, manners.alive, asker(loop, manners.alive, asked, ends), ears.hung))

    def begin(self, answered: bool) -> None:
        """It is ready: from now on it is asked. Where it has `answered` a question, it knows its watchdog too."""
        if self._alive is not None:
            self._alive.begin()
        if answered:
            self._begin_watchdog()

    def rest(self) -> None:
        """It is being stopped: nothing is expected of it any more, though it may still say how it is."""
        for watch in self._watches():
            watch.end()
        if self._first_word is not None:
            self._first_word.cancel()

    def freeze(self, frozen: bool) -> None:
        """It stands still with the whole run (Ctrl-Z), or goes on: then every wait begins anew."""
        for watch in self._watches():
            watch.freeze(frozen)

    def close(self) -> None:
        """Nothing of it is left."""
        self.rest()
        if self._mailbox is not None:
            self._kept.discard(self._mailbox)
            self._mailbox.close()

    def _watches(self) -> "list[_Watch]":
        return [watch for watch in (self._watchdog, self._alive) if watch is not None]

    def _hear(self, said: Mapping[str, str]) -> None:
        self.status = plain(said.get("STATUS", self.status), LONGEST_STATUS)
        if "1" in (said.get("READY"), said.get("WATCHDOG")):
            if self._heartbeat is not None:
                self._heartbeat.heard()
            self._begin_watchdog()
        if said.get("READY") == "1":
            self._ears.ready()
        if said.get("STOPPING") == "1" and self._alive is not None:
            self._alive.end()  # as if it had been sent TERM
        if said.get("WATCHDOG") == "trigger" and self._watchdog is not None and not self._watchdog.over:
            self._ears.hung("it sent WATCHDOG=trigger")

    def _begin_watchdog(self) -> None:
        if self._watchdog is not None and self._first_word is not None:
            self._first_word.cancel()
            self._watchdog.begin()

    def _silent(self) -> None:
        if self._heartbeat is not None and self._mailbox is not None and not self._mailbox.reachable:
            self._heartbeat.begin()  # nothing that it says comes here
            return
        self._ears.hung(f"no WATCHDOG=1 for {self._seconds:g} s")


class _Part(Protocol):
    def begin(self) -> None: ...

    def rest(self) -> None: ...


class _Watch:
    """The watchdog, or the questions: begun once, still while the run stands still, and `over` for good at a stop."""

    def __init__(self, part: _Part) -> None:
        self.over = False
        self._part = part
        self._begun = False
        self._frozen = False

    def begin(self) -> None:
        if self.over or self._begun:
            return
        self._begun = True
        if not self._frozen:
            self._part.begin()

    def freeze(self, frozen: bool) -> None:
        if self._frozen == frozen:
            return
        self._frozen = frozen
        if frozen:
            self._part.rest()
        elif self._begun and not self.over:
            self._part.begin()

    def end(self) -> None:
        self.over = True
        self._part.rest()
