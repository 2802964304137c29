"""Sends signals to what belongs to an instance: who gets one, who was told before, and who may not be signalled."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import floor
from time import monotonic

from procrun.system.audience import Bearing, Call, Key, audience, key, tops
from procrun.system.holding import LOOK_EVERY, Hold
from procrun.system.host import process_signals
from procrun.system.observed import Observed
from procrun.system.signals import ENDING
from procrun.system.types import Stat

HARMLESS = frozenset({signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})
"""Signals whose default action is to do nothing, or to go on (signal(7))."""

EVERYBODYS = frozenset({signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT})
"""Signals that go to everything of an instance, whatever it is."""

LOOK_AGAIN = 0.05
"""Seconds between two looks for orphans."""

LOOKS = 2
"""The same, in so many times what a look serves for where that is more: a stop is not spent in looking."""


BLOCKED_FOR = 1.0
"""Seconds for which a parent that blocks the signal answers for its children (`audience`)."""


READS_ON = 0.5
"""Seconds in which a reader that TERM would kill may write what it has read, once its last writer is gone."""


class Volley:
    """Remembers who was told to end in the present step of a stop, so that nobody is told twice.

    `refused` is called once for each process that is another user's (`sudo …`); it is left out from then on.
    KILL, STOP and CONT go to whole `groups`, or to each process by itself where nothing is a child of ours.
    """

    def __init__(self, refused: Callable[[Stat], None], groups: bool = True) -> None:
        self._on_refusal = refused
        self._groups = groups
        self.refused: set[Key] = set()
        """Those that are left out."""
        self.aside: set[Key] = set()
        """Those that are passed over for their children, by what was seen of them."""
        self._told: dict[Key, bool] = {}
        self._blocking: dict[Key, float] = {}
        self._readers: dict[Key, float] = {}
        """Those that waited for their writers, each with when it was last seen to (monotonic clock)."""
        self._hold = Hold(self._send)

    def ours(self, rows: Iterable[Stat]) -> list[Stat]:
        """Those that may be signalled."""
        return [row for row in rows if key(row) not in self.refused]

    def reachable(self, rows: Iterable[Stat]) -> list[Stat]:
        """Those that are alive and may be signalled, asked of the kernel."""
        return [row for row in self.ours(rows) if self._send(0, row)]

    def leave(self, row: Stat) -> None:
        """Count this one out: it cannot be killed."""
        self.refused.add(key(row))

    def next_step(self) -> None:
        """Another signal is due: everybody may be told again."""
        self._told.clear()
        self._blocking.clear()
        self._readers.clear()
        self._hold.end()

    def fire(self, number: int, leader: int, rows: Iterable[Stat], to_all: bool = False, preferred: int = 0) -> int:
        """Send signal `number` to those of `rows` that it goes to; how many are there to hear it.

        KILL, STOP and CONT go to all. TERM, INT, QUIT and HUP go to who is responsible (`audience`), or to all with
        `to_all`. Others go to the main process (`main_process`).
        """
        everybody = self.ours(rows)
        if number in ENDING:
            return self._tell(number, everybody, to_all) or len(self.reachable(everybody))
        everybody = self.reachable(everybody)
        if number in EVERYBODYS:
            self._at_all(number, everybody)
            return len(everybody)
        main = main_process(number, leader, everybody, preferred)
        return int(main is not None and self._send(number, main))

    def again(self, number: int, rows: Iterable[Stat], to_all: bool = False) -> bool:
        """Tell who is to be told by now: orphans, and who was forked behind the back of the last look.

        True while somebody is alive who was not told, and may have to be. With `to_all` what a living parent has
        started since is left to that parent.
        """
        everybody = self.ours(rows)
        if number in EVERYBODYS:
            self._at_all(number, self.reachable(everybody))
            return False
        if number not in ENDING:
            return False
        if not to_all:
            self._release(everybody, number)
        self._tell(number, tops(everybody) if to_all else everybody, to_all)
        if to_all:
            return False
        left = audience(number, self.ours(everybody), self._told, Observed(self.aside))
        return left.waits or bool(left.calls or self._blocking)  # calls: who is held

    def _release(self, rows: Sequence[Stat], number: int) -> None:
        """Those that still block the signal answer for nobody any more; who has a handler by now goes on answering."""
        facts, now = Observed(self.aside), monotonic()
        there = {key(row): row for row in rows}
        for name, since in list(self._blocking.items()):
            row = there.get(name)
            blocks = row is not None and facts.bearing(row, number) is Bearing.BLOCKS
            if blocks and now < since + BLOCKED_FOR:
                continue
            del self._blocking[name]
            self._told[name] = not blocks

    def next_look(self, fresh: float) -> float:
        """When to look `again` (monotonic clock); `fresh` are the seconds that a look at all processes serves.

        All stops look at the same moments, so that one look serves them all.
        """
        every = max(LOOK_AGAIN, LOOKS * fresh)
        return monotonic() + LOOK_EVERY if self._hold else (floor(monotonic() / every) + 1) * every

    def presume(self, number: int, rows: Iterable[Stat], to_all: bool = False) -> None:
        """Somebody else has sent `number` a while ago: count those as told who would be told now."""
        everybody = self.ours(rows)
        self._told |= {key(call.row): call.answers for call in self._calls(number, everybody, to_all)}

    def aim(self, number: int, leader: int, rows: Iterable[Stat], preferred: int = 0) -> None:
        """Send it to the main process alone, to the leader where nobody catches it; STOP, CONT and KILL to all."""
        everybody = self.ours(rows)
        if number in EVERYBODYS:
            self._at_all(number, self.reachable(everybody))
            return
        main = main_process(number, leader, everybody, preferred)
        for row in everybody:
            if row.pid == (main.pid if main is not None else leader):
                self._send(number, row, *([signal.SIGCONT] if number in ENDING else []))

    def _tell(self, number: int, rows: Sequence[Stat], to_all: bool) -> int:
        """How many were told. Where it turns out that somebody may not be, others are told in their place."""
        refused = len(self.refused)
        settled = self._hold.settle()
        self._told |= dict.fromkeys(map(key, settled.told), True)
        hits = sum(self._ask(number, call) for call in [Call(row, True) for row in settled.foreground])
        hits += sum(self._ask(number, call) for call in self._due(self._calls(number, rows, to_all)))
        for row in rows:
            if row.state == "T" and key(row) not in self._told and row not in self._hold:
                self._send(signal.SIGCONT, row)
        return hits + (self._tell(number, self.ours(rows), to_all) if len(self.refused) > refused else 0)

    def _due(self, calls: Iterable[Call]) -> Iterator[Call]:
        """Those of `calls` that are told now. Nobody is told before a parent that is to be told."""
        later: set[int] = set()
        for call in calls:
            held = call.row in self._hold or call.row.ppid in later or self._reads_on(call)
            if held or (call.heirs and not self._hold.is_ready(call.row, call.heirs)):
                later.add(call.row.pid)
            else:
                yield call

    def _reads_on(self, call: Call) -> bool:
        return not call.answers and monotonic() < self._readers.get(key(call.row), -READS_ON) + READS_ON

    def _calls(self, number: int, rows: Sequence[Stat], to_all: bool) -> list[Call]:
        if to_all:
            return [Call(row, False) for row in rows if key(row) not in self._told]
        found = audience(number, rows, self._told, Observed(self.aside))
        self._readers |= dict.fromkeys(found.readers, monotonic())
        return found.calls

    def _at_all(self, number: int, rows: Sequence[Stat]) -> None:
        if self._groups:
            _at_groups(number, rows)
        else:
            for row in rows:
                self._send(number, row)

    def _ask(self, number: int, call: Call) -> bool:
        """Send it a signal that ends it, and CONT, as a process that is stopped cannot obey; False when it is gone."""
        hit = self._send(number, call.row, signal.SIGCONT)
        if hit:
            self._told[key(call.row)] = call.answers
            if call.blocks:
                self._blocking[key(call.row)] = monotonic()
        return hit

    def _send(self, number: int, row: Stat, *behind: int) -> bool:
        try:
            return process_signals.send(number, row, *behind)
        except PermissionError:
            self.leave(row)
            self._on_refusal(row)
            return False


def _at_groups(number: int, rows: Iterable[Stat]) -> None:
    """Signal the groups of `rows`, which were all alive a moment ago: whole ones, so that no fork slips past.

    A group's id is not given away while the group has a member, a dead one that nobody has reaped included (setpgid(2),
    fork(2)), and `reachable` has just seen a member by its start time. To hit a stranger all members would have to be
    reaped, and all other pids given out up to pid_max, since the kernel goes round in a circle, within those
    microseconds. A group lies within one session, so whoever has joined it meanwhile is of the same instance.
    """
    for group in {row.pgid for row in rows}:
        try:
            os.killpg(group, number)
        except OSError:
            pass  # it has gone, or some of it is another user's


def main_process(number: int, leader: int, everybody: Iterable[Stat], preferred: int = 0) -> Stat | None:
    """The one that catches signal `number`; None where nobody does.

    `preferred` (a pid) where it does, else the one nearest below the leader, else below an orphan: `uv run`, `npm run`
    and shells stand before the program and do not pass signals on. Where several are equally near nobody can say which
    is meant, and it is None.
    """
    rows = list(everybody)
    for row in rows:
        if row.pid == preferred and process_signals.catches(row.pid, number):
            return row
    top = tops(rows)
    return _nearest(number, [row for row in top if row.pid == leader], rows) or _nearest(
        number, [row for row in top if row.pid != leader], rows
    )


def _nearest(number: int, level: Sequence[Stat], rows: Sequence[Stat]) -> Stat | None:
    while level:
        found = [row for row in level if process_signals.catches(row.pid, number)]
        if found:
            return found[0] if len(found) == 1 else None
        parents = {row.pid for row in level}
        level = [row for row in rows if row.ppid in parents]
    return None
