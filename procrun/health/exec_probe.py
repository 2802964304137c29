"""A command as a probe: it is run by a shell, and exit 0 is yes."""

import signal
from collections.abc import Callable, Mapping
from subprocess import DEVNULL

from procrun.core.text import public
from procrun.eventloop.loop import Loop
from procrun.health.probes import Answered
from procrun.system import limits
from procrun.system.host import process_signals
from procrun.system.process_tree import MARK, Family
from procrun.system.signals import describe
from procrun.system.spawn import spawn
from procrun.system.types import Exit


class Command:
    """Runs `line` by /bin/sh -c in `root`: exit 0 is yes. Nobody sees what it writes.

    It is ended by KILL, with all it has started, when `within` seconds are over, when it is cancelled, and what it
    left running when it ends by itself. `name` is what its processes are called (`web.1:ready`): they are none of the
    instance's. `ends` is where who reaps finds whom to tell.
    """

    reached = True

    def __init__(
        self,
        loop: Loop,
        family: Family,
        ends: dict[int, Callable[[Exit], None]],
        name: str,
        line: str,
        root: str,
        env: Mapping[str, str],
        within: float,
        answered: Answered,
    ) -> None:
        self._family = family
        self._ends = ends
        self._name = name
        self._answered = answered
        self._pid = 0
        what = f"the command `{public(line)}`"
        try:
            pid = spawn(line, root, {**env, MARK: family.mark(name)}, DEVNULL, DEVNULL, DEVNULL)
        except OSError as error:
            reason = f"{what}: {limits.why(error, line, env)}"
            self._limit = loop.after(0, lambda: self._answer(reason))
            return
        self._pid = pid
        family.beside(name, pid)
        ends[pid] = lambda end: self._ended(what, end)
        self._limit = loop.after(within, lambda: self._answer(f"{what} was not done in {within:g} s"))

    def cancel(self) -> None:
        """End it, whatever it is at."""
        self._limit.cancel()
        if self._pid:
            self._ends.pop(self._pid, None)
            self._end_all()

    def _ended(self, what: str, end: Exit) -> None:
        self._answer("" if end == Exit(0, None) else f"{what} ended with {describe(end)}")

    def _answer(self, reason: str) -> None:
        self.cancel()
        self._answered(reason)

    def _end_all(self) -> None:
        leader, self._pid = self._pid, 0
        self._family.changed()
        for row in self._family.members(self._name):
            try:
                process_signals.send(signal.SIGKILL, row)
            except PermissionError:
                continue  # `sudo …`: another user's
        self._family.forget(leader)
