"""Holds those below a shell still while its trap runs: only so can be seen whether the trap tells them itself.

`trap 'kill -TERM $p' TERM; worker & p=$!; wait` is how many start scripts pass a signal on. The trap over, `wait` is
over too, and the shell ends in the same moment, so that the worker is an orphan. Other traps (`echo bye`, `rm pidfile`)
leave an orphan in the same way, and tell it nothing. The one must not be told once more, the other has to be, and the
kernel keeps no account of the signals that a process has taken. It does show those that wait for a process to take
them (SigPnd, ShdPnd in /proc/PID/status), and a stopped process takes none.

So whoever below the shell catches the signal is stopped, and only then is the shell told. A moment later a signal waits
for it: then the shell has told it, and it is continued, and counts as told. Or the shell has ended and none waits: then
it is told by us. Where neither is so in time, it is continued, and its shell goes on answering for it. It stands still
for some milliseconds, in the moment in which it is to end anyway.

Only below shells, and not below all of them (`forwarders.UNMOVED`): without job control most do not ask to be told of
stopped children (WUNTRACED), while `su` and `sudo` stop themselves when their child is stopped. And only in the process
group of the shell, where that is an orphaned one already, as the first of a session is: when a group becomes an orphan
by the end of somebody's parent while a process of it is stopped, the kernel sends HUP to all of it (_exit(2); seen in a
test), which kills many a worker.
"""

import signal
from collections.abc import Callable, Iterable
from time import monotonic
from typing import NamedTuple

from procrun.system.audience import Heir, Key, key
from procrun.system.host import process_table
from procrun.system.types import Stat

STILL_WITHIN = 0.05
"""Seconds that a process has to stop: on a busy machine it must come to run for that."""

PATIENCE = 0.5
"""Seconds that a shell's trap has to tell those in the background."""

IN_THE_WAY = 0.05
"""Seconds that it has where the shell waits for a foreground child, and most likely cannot run its trap."""

LOOK_EVERY = 0.005
"""Seconds between two looks at those that are held."""

_SENT = ~sum(1 << number - 1 for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH))
"""In a mask: the signals that somebody means something by."""


class _Held(NamedTuple):
    row: Stat
    shell: Stat
    foreground: bool


class Settled(NamedTuple):
    """Those that their shell has told, and those in front of a shell that lives, which nobody has told."""

    told: list[Stat]
    foreground: list[Stat]


class Hold:
    """Those that stand still; `send` sends a signal to a process, and is False where that has gone."""

    def __init__(self, send: Callable[[int, Stat], bool]) -> None:
        self._send = send
        self._held: dict[Key, _Held] = {}
        self._begun: dict[Key, float] = {}
        self._told: dict[Key, float] = {}

    def __contains__(self, row: Stat) -> bool:
        """Whether the process of `row` is held."""
        return key(row) in self._held

    def __bool__(self) -> bool:
        """Whether anybody is held."""
        return bool(self._held)

    def is_ready(self, shell: Stat, heirs: Iterable[Heir]) -> bool:
        """Whether `shell` may be told now: its `heirs` are stopped first."""
        now = monotonic()
        if key(shell) not in self._begun:
            self._begun[key(shell)] = now
            for heir in heirs:
                if key(heir.row) not in self._held and self._send(signal.SIGSTOP, heir.row):
                    self._held[key(heir.row)] = _Held(heir.row, shell, heir.foreground)
        mine = [held.row for held in self._held.values() if key(held.shell) == key(shell)]
        if now - self._begun[key(shell)] < STILL_WITHIN and not all(map(_stands_still, mine)):
            return False
        self._told[key(shell)] = now
        return True

    def settle(self) -> Settled:
        """Let go of those whose case is clear.

        An orphan that was not told stays as it is: who tells it now continues it.
        """
        told, foreground = [], []
        for each, held in list(self._held.items()):
            waits, ended = bool(process_table.masks(held.row.pid).pending & _SENT), not process_table.lives(held.shell)
            if waits:
                told.append(held.row)
            if waits or ended or self._is_late(held):
                del self._held[each]
                if waits or not ended:
                    self._send(signal.SIGCONT, held.row)
                if held.foreground and not waits and not ended:
                    foreground.append(held.row)
        return Settled(told, foreground)

    def end(self) -> None:
        """Let go of all."""
        for held in self._held.values():
            self._send(signal.SIGCONT, held.row)
        self._held.clear()
        self._begun.clear()
        self._told.clear()

    def _is_late(self, held: _Held) -> bool:
        """Whether its shell has had the time to tell it: for one in front, has taken the signal and rests again."""
        told = self._told.get(key(held.shell))
        if told is None:
            return False
        since = monotonic() - told
        return since >= PATIENCE or (held.foreground and since >= IN_THE_WAY and _rests(held.shell))


def _rests(row: Stat) -> bool:
    """Whether it sleeps, with no signal to take."""
    now = process_table.stat(row.pid)
    return not process_table.masks(row.pid).pending and now is not None and now.state == "S"


def _stands_still(row: Stat) -> bool:
    now = process_table.stat(row.pid)
    return now is None or now.started != row.started or now.state in "TtZX"
