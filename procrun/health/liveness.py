"""Does a ready instance still answer: it is asked again and again, and some misses in a row mean that it hangs."""

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from procrun.core import values
from procrun.core.spec import OWN_PORT, AliveCheck
from procrun.eventloop.loop import Loop, Timer
from procrun.health.exec_probe import Command
from procrun.health.probes import Exchange, Get, at_port
from procrun.health.readiness import Asked
from procrun.health.watchdog_timer import Countdown
from procrun.system.host import sockets
from procrun.system.types import Exit


class Question(Protocol):
    """One that was asked, and is not answered yet."""

    def cancel(self) -> None:
        """The answer is not wanted any more."""


Ask = Callable[[Callable[[str], None]], Question]
"""Asks once; the answer is empty, or why it is none (`asking`)."""


class Alive:
    """Asks by `ask` as `check` says, and calls `hung` with the reason; it begins anew when it has rested.

    An answer that failed to come while this process stood still is no miss: it is asked for once more.
    """

    def __init__(self, loop: Loop, check: AliveCheck, ask: Ask, hung: Callable[[str], None]) -> None:
        self._loop = loop
        self._check = check
        self._ask_once = ask
        self._hung = hung
        self._misses: list[str] = []
        self._timer: Timer | None = None
        self._question: Question | None = None
        self._asked = 0.0
        self._stood_still = False
        self._watch = Countdown(loop, check.within, lambda: None, late=self._note)

    def begin(self) -> None:
        """From here on; the first question comes after the first pause."""
        self.rest()
        self._misses = []
        self._timer = self._loop.after(self._check.every, self._ask)

    def rest(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._question is not None:
            self._question.cancel()
        self._watch.rest()
        self._timer = self._question = None

    def _ask(self) -> None:
        self._asked, self._stood_still = monotonic(), False
        self._watch.begin()
        self._question = self._ask_once(self._answered)

    def _note(self) -> None:
        self._stood_still = True

    def _answered(self, reason: str) -> None:
        self._question = None
        self._watch.rest()
        if reason and self._stood_still:
            self._ask()
            return
        self._misses = [*self._misses, reason] if reason else []
        if len(self._misses) >= self._check.failures:
            self._hung(_in_words(self._misses))
        else:
            self._timer = self._loop.at(max(self._asked + self._check.every, monotonic()), self._ask)


def asker(loop: Loop, check: AliveCheck, asked: Asked, ends: dict[int, Callable[[Exit], None]]) -> Ask:
    """What asks the instance `asked` as `check` says; `ends` is where who reaps finds whom to tell."""
    within = check.within
    if check.kind == "http":
        url = values.read(check.value, asked.port)
        return lambda answered: Get(loop, url, within, answered)
    if check.kind == "command":
        args = (f"{asked.name}:alive", check.value, asked.root, asked.env, within)
        return lambda answered: Command(loop, asked.family, ends, *args, answered)
    port = asked.port if check.value == OWN_PORT else int(check.value)

    def ask(answered: Callable[[str], None]) -> Question:
        elsewhere = [each.address for each in sockets.all_listeners() if each.address[1] == port]
        return Exchange(loop, [*at_port(port), *elsewhere], within, answered, f"port {port}")

    return ask


def _in_words(misses: list[str]) -> str:
    """`GET … gave no answer in 5 s, 3 times`."""
    reasons, times = list(dict.fromkeys(misses)), len(misses)
    if len(reasons) > 1:
        return f"{'; '.join(reasons)}; {times} times in a row"
    return f"{reasons[0]}, {times} times" if times > 1 else reasons[0]
