"""Who is told that an instance is to end: the one rule of every stop, whoever performs it.

The rule
--------
TERM, INT, QUIT and HUP ask a program to finish its work. A program that has a handler for the signal has been written
to be asked, and it knows best what becomes of the processes that it has started: celery's pool, rq's work horse and
the `ffmpeg` of a job must not die while their parent waits for them. So the walk goes from the top of the tree down:

- **A process that catches the signal is told, and answers for everything below it.** Nobody below it is told while it
  lives.
- **A process that would die of the signal is told, and so are its children, at once**: it will not be there to pass
  anything on (`sh -c` in front of a program).
- **A process that ignores the signal is passed over**: its children are told in its place.
- **An orphan is told.** Whose parent has ended hangs on procrun then, and is the top of a tree of its own. This is how
  the worker behind a wrapper that dies without a word is reached.
- **Nobody is told twice.** rq, dramatiq and many others take a second TERM for "now", and drop their jobs. Whoever
  was told as one that catches goes on answering for those below, even where it has taken its handler away since.

A stop looks again for as long as somebody alive has not been told, so that an orphan hears soon after the death of its
parent.

The hard cases
--------------
**A reader waits for its writers.** In `worker 2>&1 | tee log` a `tee` that dies at once takes the worker with it: the
first line that the worker prints while it saves is answered by SIGPIPE (measured: nothing was saved). So whoever has as
its stdin a pipe that another process of the instance can write is told only when no such writer is left. By then most
readers have seen the end of their input and are ending by themselves, with every line written; one that TERM would kill
is given a moment for that (`volley.READS_ON`). An ancestor does not count as a writer: a parent that feeds its child is
no pipeline, and it may be waiting for that very child.

**A shell with a trap** catches the signal, but it can only act on it while it has no foreground child: dash and bash
run the trap when that child has ended. So a shell answers for its background children alone, and its foreground child
is told beside it. A background child is one that the shell gave `/dev/null` as its stdin, or whose INT and QUIT it had
ignored (POSIX, 2.9.3.1 "Asynchronous Lists", for a shell without job control); a foreground child has what the shell
has. When the trap passes the signal on and the shell ends at once, the children must not be told once more: see
`holding`.

**A hasty wrapper** costs its child its work when it is told (see `forwarders`). `dumb-init`, `timeout` and `tini -g`
catch TERM only to send it to a whole process group, which kills a celery pool as surely as we would; `su` sends KILL
two seconds later; `script` takes the terminal away; `unshare --fork` tells its child nothing. These wrappers end when
their child has ended, so they are passed over, and told only when they have no child left. So is a honcho or a foreman
that runs one process; with several it would send those that are left a second TERM when the first has ended, and it is
told, as it would be by hand.

**`concurrently`** sends TERM to every process below it, and its process is called `node`. A command line can tell
them apart, and it may block, so no stop reads one: whoever looks for known programs in a running instance has read it
before, in a thread, and says which processes are passed over (`Profile.passed_over`). A stop in the first quarter of a
second, and the front where the supervisor has died, do not know it and tell concurrently itself. With `-k` it ends all
of its programs when the first has ended, whoever told that one: passed over it would tell those that are left a second
time. So it is told, and `check` says what that costs a celery pool, as of a honcho with several processes.

**A session leader with a terminal** takes it along when it dies, and the kernel sends HUP to the foreground process
group (setsid(2), exit(2)): the worker below `sh -c` in `script`, or in an instance with `pty = true`. So one that would
die is passed over in the same way, where somebody below it catches the signal. It goes on with its line then, as a
shell does whose child was told alone.

**A program may take a signal without a handler**, by sigwait(3) as `tini` does, or from a descriptor as `catatonit`
does (signalfd(2)): it catches the signal as well.

**A parent that blocks the signal** may be about to set its handler: dramatiq blocks TERM while it starts its processes,
which take jobs before their parent has let TERM through (measured: a child that was told beside it was told twice, and
gave its jobs back). So it answers for those below for a moment (`volley.BLOCKED_FOR`). When it still blocks the signal
then, it was started so, as a child of a program with threads may be, and its children are told.

**A program that catches the signal and tells its children nothing** looks like one that passes it on and waits for
them: the kernel shows nobody who has sent a signal to whom. A late TERM to those below, two seconds before KILL, was
tried. It saves what a worker can finish in those two seconds where its parent said nothing. Where the parent did pass
the signal on, it is a second one, and costs a worker of rq, dramatiq or celery the job that it was still to finish. A
parent that catches TERM and has children was most often written to pass it on, so nobody is told late.

The rule holds for TERM, INT, QUIT and HUP, each with the dispositions for that signal. KILL, STOP and CONT go to
everything. On platform heroku every process is told, as a dyno's manager does it.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from procrun.system.types import Stat

Key = tuple[int, int]
"""What names a process: its pid, and when it was started."""


class Bearing(Enum):
    """What a signal does to a process: it has a handler, it ignores it, or the default action ends it."""

    CATCHES = "catches"
    IGNORES = "ignores"
    DIES = "dies"
    BLOCKS = "blocks"
    """It would die of it, and does not take it now."""


class Facts(Protocol):
    """What the rule asks about the processes of one look. It asks only where the answer matters."""

    def bearing(self, row: Stat, number: int) -> Bearing:
        """What signal `number` does to it."""

    def awaits(self, row: Stat, number: int) -> bool:
        """Whether it takes signal `number` without a handler: by sigwait(3), or from a descriptor (signalfd(2))."""

    def is_shell(self, row: Stat) -> bool:
        """Whether it is a shell, whose handlers are traps."""

    def steps_aside(self, row: Stat) -> bool:
        """Whether it is a wrapper that ends with its child, and at TERM in a way that costs its child its work."""

    def is_runner(self, row: Stat) -> bool:
        """Whether it is a Procfile runner that sends TERM to whole process groups, and ends with its first child."""

    def is_unmoved(self, shell: Stat) -> bool:
        """Whether this shell goes on waiting when a child of its is stopped."""

    def in_background(self, row: Stat, shell: Stat) -> bool:
        """Whether `shell` started its child `row` by `&`."""

    def is_fed(self, row: Stat, by: Sequence[Stat]) -> bool:
        """Whether its stdin is a pipe that one of `by` can write to."""


class Heir(NamedTuple):
    """Somebody below a shell who catches the signal, would be told if the shell were gone, and can be held."""

    row: Stat
    foreground: bool


class Call(NamedTuple):
    """Somebody who is to be told; `answers` says that nobody below is told meanwhile.

    A shell that answers has `heirs`, who may be told by its trap. One that `blocks` the signal answers for a moment.
    """

    row: Stat
    answers: bool
    heirs: tuple[Heir, ...] = ()
    blocks: bool = False


class Audience(NamedTuple):
    """`calls` are to be told now, parents before children. `waits`: others are alive who may have to be told later.

    `readers` are those of the others who wait for their writers.
    """

    calls: list[Call]
    waits: bool
    readers: list[Key]


def audience(number: int, rows: Sequence[Stat], told: Mapping[Key, bool], facts: Facts) -> Audience:
    """Who of `rows` is to be sent signal `number` now.

    `rows` are the living processes of one instance. `told` are those that were sent it before, each with whether it
    answers for those below.
    """
    family = _Family(rows)
    calls: list[Call] = []
    readers: list[Key] = []
    walk = tops(rows)
    deferred = False
    for row in walk:  # grows while it is walked
        children = family.children(row)
        before = told.get(key(row))
        if before is not None:
            walk += () if before else children
            continue
        bearing = _bearing(row, number, bool(children), facts)
        aside = bool(children) and _is_passed_over(number, row, bearing, family, facts)
        if bearing is Bearing.IGNORES or aside:
            deferred |= aside
            walk += children
            continue
        blocks = bearing is Bearing.BLOCKS
        answers = blocks or bearing is Bearing.CATCHES
        if facts.is_fed(row, family.beside(row)):
            readers.append(key(row))
        else:
            calls.append(Call(row, answers, _heirs(number, row, family, told, facts) if answers else (), blocks))
        walk += _addressed(row, answers, children, facts)
    return Audience(calls, deferred or bool(readers) or len(walk) < len(rows), readers)


def _bearing(row: Stat, number: int, is_parent: bool, facts: Facts) -> Bearing:
    """What the signal does to it; who has no handler may wait for the signal, which matters for a parent alone."""
    bearing = facts.bearing(row, number)
    if not is_parent:
        return Bearing.DIES if bearing is Bearing.BLOCKS else bearing
    has_none = bearing in (Bearing.DIES, Bearing.BLOCKS)
    return Bearing.CATCHES if has_none and facts.awaits(row, number) else bearing


def _addressed(row: Stat, answers: bool, children: Sequence[Stat], facts: Facts) -> Sequence[Stat]:
    """The children that are told themselves, beside this parent: all of one that dies, a shell's foreground ones.

    What a shell starts when it was told belongs to its trap, and is left to it.
    """
    if not answers or not children:
        return children
    if not facts.is_shell(row):
        return ()
    return [child for child in children if not facts.in_background(child, row)]


def _heirs(number: int, row: Stat, family: "_Family", told: Mapping[Key, bool], facts: Facts) -> tuple[Heir, ...]:
    heirs: list[Heir] = []
    children = family.children(row)
    if children and facts.is_shell(row) and facts.is_unmoved(row) and family.is_orphaned(row.pgid):
        for child in children:
            calls = audience(number, family.tree(child), told, facts).calls
            foreground = not facts.in_background(child, row)
            heirs += [Heir(call.row, foreground) for call in calls if call.answers and call.row.pgid == row.pgid]
    return tuple(heirs)


def _is_passed_over(number: int, row: Stat, bearing: Bearing, family: "_Family", facts: Facts) -> bool:
    """Whether the children of `row` are told in its place, for what it would cost them if it were told."""
    if facts.steps_aside(row) or (len(family.children(row)) == 1 and facts.is_runner(row)):
        return True
    return bearing in (Bearing.DIES, Bearing.BLOCKS) and _cuts(number, row, family, facts)


def _cuts(number: int, row: Stat, family: "_Family", facts: Facts) -> bool:
    """Whether the death of `row` is a HUP for somebody below it who would finish its work.

    The end of a session leader with a terminal is one for the processes in the foreground.
    """
    if row.pid != row.sid or row.terminal == 0:
        return False
    return any(facts.bearing(each, number) is Bearing.CATCHES for each in family.tree(row)[1:])


def tops(rows: Sequence[Stat]) -> list[Stat]:
    """Those whose parent is not among them: the leader, and orphans."""
    pids = {row.pid for row in rows}
    return [row for row in rows if row.ppid not in pids]


def key(row: Stat) -> Key:
    """What names the process of `row`."""
    return row.pid, row.started


class _Family:
    """Who is below whom."""

    def __init__(self, rows: Sequence[Stat]) -> None:
        self._rows = rows
        self._by_pid = {row.pid: row for row in rows}
        self._below: dict[int, list[Stat]] = {}
        for row in rows:
            self._below.setdefault(row.ppid, []).append(row)

    def children(self, row: Stat) -> list[Stat]:
        return self._below.get(row.pid, [])

    def is_orphaned(self, group: int) -> bool:
        """Whether nobody of this process group has a parent in another group of its session."""
        members = (row for row in self._rows if row.pgid == group)
        parents = ((row, self._by_pid.get(row.ppid)) for row in members)
        return not any(parent and parent.sid == row.sid and parent.pgid != group for row, parent in parents)

    def tree(self, row: Stat) -> list[Stat]:
        """`row` and all below it."""
        found = [row]
        for each in found:  # grows while it is walked
            found += self.children(each)
        return found

    def beside(self, row: Stat) -> list[Stat]:
        """All but `row` itself and its ancestors."""
        own = set()
        at: Stat | None = row
        while at is not None and at.pid not in own:
            own.add(at.pid)
            at = self._by_pid.get(at.ppid)
        return [other for other in self._rows if other.pid not in own]
