"""What a run writes down about itself for who comes after it: `.procrun/PID.run`, beside its socket.

Plain lines, rewritten in place whenever an instance starts or is gone; nothing waits for the disk. Who reads it trusts
no pid without its start time, so that lines of an earlier, longer state behind the present ones do no harm.
"""

import _thread  # not threading: its start() waits for the thread, for ever where that has no memory to begin with
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from time import time
from typing import NamedTuple

from procrun.core import run_dir
from procrun.core.spec import LONGEST_WAIT, Step
from procrun.eventloop.loop import Loop, Timer
from procrun.system.host import process_table
from procrun.system.signals import ENDING
from procrun.system.types import Stat

LARGEST = 1024 * 1024
"""Bytes of a record that are read: room for more than 10000 instances."""


class Dyno(NamedTuple):
    """An instance that is up: its leader (whose pid is the session's, too), its output pipes, and how it is stopped.

    `leader` is PID-STARTTICKS, `pipes` are inodes. Lower ranks are stopped first; `first` is the signal that ends it
    and the seconds it has then.
    """

    name: str
    leader: str
    pipes: tuple[int, ...]
    rank: int
    to_all: bool
    first: Step


_TO_ALL, _BY_RULE = "all", "responsible"
"""Whom its signal goes to, in a record. What stood there before was 0 or 1, and the rule serves both."""

Born = tuple[int, tuple[int, ...], int, bool, Step]
"""The same of a running instance: its leader's pid, pipes, rank, to_all and first step."""


Adopted = Callable[[], list[tuple[str, Stat]]]
"""Daemons whose parent the supervisor has become, each with its instance, or `?`."""

LATER = 0.5
"""Seconds after an instance runs in which a daemon that it makes is likely to be there."""


class Ending(NamedTuple):
    """How a run was cut short, and how many processes who survived it has stopped; `when` in seconds of the epoch."""

    when: float
    stopped: int
    how: str


class Record(NamedTuple):
    """A record as it was read; `machine` is empty where it is damaged. `front` and `supervisor` are PID-STARTTICKS.

    `daemons` are those the supervisor had adopted: PID-STARTTICKS to instance.
    """

    path: str
    machine: str = ""
    since: float = 0.0
    front: str = ""
    supervisor: str = ""
    dynos: tuple[Dyno, ...] = ()
    daemons: Mapping[str, str] = {}
    ending: Ending | None = None


class Ledger:
    """Keeps the record of this run at `path`; `front` is its front's identity, `dynos` are those that are up.

    `tell` hears where it is, whenever that changes.

    Raises OSError where there can be none. That it cannot be written later (a full disk) is no fault.
    """

    def __init__(
        self,
        path: str,
        loop: Loop,
        front: str,
        since: float,
        dynos: Mapping[str, Born],
        adopted: Adopted,
        tell: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._dynos = dynos
        self._adopted = adopted
        self._due: Timer | None = None
        self._leaders: dict[int, str] = {}
        self._handing = _thread.allocate_lock()
        self._waiting = b""
        self._writing = False
        head = f"machine {process_table.machine()}\nsince {since:.2f}\nfront {front}\n"
        self._head = f"{head}supervisor {process_table.identity(os.getpid())}\n"
        self.called = "record"
        self._told = tell
        self.path, self._file = _created(path)
        self._put_out()

    def is_there(self) -> bool:
        """Whether the next start finds it. May block."""
        found = os.fstat(self._file)
        return run_dir.file_at(self.path) == (found.st_dev, found.st_ino)

    def give_up(self) -> None:
        """It cannot be made anew: nothing depends on it here."""

    def remake(self, folder: str) -> Callable[[], None]:
        """Make it anew in `folder`; what is returned has it written, and is called in the loop.

        May block. Raises OSError where that cannot be.
        """
        path, file = _created(run_dir.record_path(folder))
        os.dup2(file, self._file, inheritable=False)  # the lock with it; whoever is just writing has a file
        os.close(file)

        def count() -> None:
            self.path = path
            self._put_out()

        return count

    def _put_out(self) -> None:
        self._told(self.path)
        self._write()

    def changed(self, soon: bool) -> None:
        """An instance started, or is gone: write it down, once for many changes; not `soon`: it may make a daemon."""
        if self._due is not None and soon:
            self._due.cancel()
            self._due = None
        if self._due is None:
            self._due = self._loop.after(0 if soon else LATER, self._write)

    def close(self) -> None:
        """The run is over and nothing of it is left: nobody needs to know."""
        run_dir.remove(self.path)

    def _write(self) -> None:
        """Before any leader is reaped, so that its start time can be read: `after(0)` comes behind the present call."""
        self._due = None
        try:
            text = self._text().encode(errors="surrogateescape")
        except OSError:
            return  # no descriptor to look with: what stands there is older, and true of who lives
        with self._handing:
            self._waiting = text
            if self._writing:
                return
            self._writing = True
        try:
            _thread.start_new_thread(self._put, ())
        except RuntimeError:  # no more threads are allowed
            self._put()

    def _put(self) -> None:
        """Write until nothing waits; in a thread that ends then: a disk may stand still, and the loop may not."""
        while True:
            with self._handing:
                text, self._waiting = self._waiting, b""
                self._writing = bool(text)
            if not text:
                return
            try:
                os.ftruncate(self._file, os.pwrite(self._file, text, 0))
            except OSError:
                pass  # no room on the disk

    def _text(self) -> str:
        leaders: dict[int, str] = {}
        lines = [self._head]
        for name, (pid, pipes, rank, to_all, first) in self._dynos.items():
            leader = leaders[pid] = self._leaders.get(pid) or process_table.identity(pid)
            lines.append(_line(Dyno(name, leader, pipes, rank, to_all, first)))
        self._leaders = leaders
        return "".join([*lines, *(f"daemon {name} {row.pid}-{row.started}\n" for name, row in self._adopted())])


def read(path: str) -> Record | None:
    """The record at `path`; None where it has gone, or is not this user's own: who wrote it says whom to kill."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return None
        text = os.read(handle, LARGEST).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(handle)
    return parse(path, text.split("\n"))


def parse(path: str, lines: Iterable[str]) -> Record:
    """The lines of a record; those that make no sense are left out, and without one of the first four it is damaged."""
    record, dynos, head = Record(path), [], {}
    daemons: dict[str, str] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        try:
            if word == "dyno":
                dynos.append(_dyno(rest))
            elif word == "daemon":
                name, daemon = rest.rsplit(" ", 1)
                daemons[_identity(daemon)] = name
            elif word == "ended":
                when, count, how = rest.split(" ", 2)
                record = record._replace(ending=Ending(_seconds(when), int(count), how))
            elif word == "since":
                head[word] = rest
                record = record._replace(since=_seconds(rest))
            elif word in ("machine", "front", "supervisor"):
                head[word] = rest if word == "machine" else _identity(rest)
        except ValueError:
            continue
    if len(head) < 4:
        return Record(path)
    machine, front, supervisor = head["machine"], head["front"], head["supervisor"]
    return record._replace(machine=machine, front=front, supervisor=supervisor, dynos=tuple(dynos), daemons=daemons)


def held(path: str) -> bool:
    """Whether the supervisor that writes the record at `path` lives, in whatever container: it holds a lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def _created(path: str) -> tuple[str, int]:
    """Its path, and its descriptor. A run whose supervisor had this pid may have left one by that name."""
    try:
        return path, _create(path)
    except FileExistsError:
        path = f"{path.removesuffix('.run')}-{time():.0f}.run"
        return path, _create(path)


def _create(path: str) -> int:
    """Make the record, and hold it. It gets its name last: one that is empty and not held is cleared away."""
    if os.path.lexists(path):
        raise FileExistsError(path)
    unfinished = f"{path}~"
    run_dir.remove(unfinished)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass  # a file system without locks
    try:
        os.rename(unfinished, path)
    except OSError:
        os.close(handle)
        raise
    return handle


def _line(dyno: Dyno) -> str:
    pipes = ",".join(map(str, dyno.pipes)) or "0"
    fields = (dyno.name, dyno.leader, pipes, dyno.rank, _TO_ALL if dyno.to_all else _BY_RULE, int(dyno.first.signal))
    return f"dyno {' '.join(map(str, fields))} {dyno.first.wait}\n"


def _dyno(text: str) -> Dyno:
    name, leader, pipes, rank, whom, number, wait = text.split()
    if int(number) not in ENDING:
        raise ValueError(f"{signal.Signals(int(number)).name} ends nothing")
    inodes = tuple(filter(None, map(int, pipes.split(","))))
    return Dyno(name, _identity(leader), inodes, int(rank), whom == _TO_ALL, Step(int(number), _wait(wait)))


def _identity(text: str) -> str:
    pid, _, started = text.partition("-")
    return f"{int(pid)}-{int(started)}"


def _wait(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= LONGEST_WAIT:  # never true of nan
        raise ValueError(text)
    return seconds


def _seconds(text: str) -> float:
    """Seconds of the epoch, such that a calendar has them."""
    seconds = float(text)
    if not 0 <= seconds < 1e11:
        raise ValueError(text)
    return seconds


def leave_word(record: str, how: str, stopped: int) -> None:
    """Note in the run's record how it was cut short, and how many processes who survived it has stopped.

    Nothing is noted where there is no record: the run had come to its end.
    """
    try:
        handle = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(handle, f"\nended {time():.2f} {stopped} {how}\n".encode())
    except OSError:
        pass  # a full disk
    finally:
        os.close(handle)


PROGRAMS = ("python", "pypy", "procrun", process_table.program(os.getpid()))
"""How the program of a front may be called, be it another version than ours."""


class Fate(Enum):
    """What has become of the run of a record."""

    LIVING = "its supervisor lives"
    RESCUED = "its supervisor is dead, and its front stops what it left"
    OVER = "both are dead"
    REBOOTED = "both were on the machine before it was started anew, or on another one"
    ELSEWHERE = "it is in another container"
    DAMAGED = "the record cannot be read"


def records(root: str) -> list[tuple[Record, Fate]]:
    """The records in the folder `root`, oldest first."""
    found = map(read, run_dir.records(root))
    believed = [_believed(record) for record in found if record is not None]
    return [(record, fate(record)) for record in believed]


def strangers(root: str) -> list[str]:
    """Records in the folder that are not believed: in a folder, or of a user, that is not ours."""
    own = {record.path for record, _ in records(root)}
    return [path for path in run_dir.traces(root, ".run") if path not in own and os.path.lexists(path)]


def fate(record: Record) -> Fate:
    """What has become of its run, as far as can be known here; a start time tells a later process with the same pid."""
    if not record.machine:
        return Fate.LIVING if held(record.path) else Fate.DAMAGED  # it has just begun to write, perhaps
    here = process_table.machine()
    if record.machine.partition("/")[0] != here.partition("/")[0]:
        return Fate.LIVING if held(record.path) else Fate.REBOOTED  # NFS has locks between machines, too
    if record.machine != here:
        return Fate.LIVING if held(record.path) else Fate.ELSEWHERE
    if alive(record.supervisor):
        return Fate.LIVING
    return Fate.RESCUED if alive(record.front) else Fate.OVER


def _believed(record: Record) -> Record:
    """The record, with the supervisor in the front's place where that is another program.

    procrun 0.1.0 noted its parent as the front. Where the front had been killed before, that was whoever had adopted
    the supervisor: init, or the user's systemd, which never end.
    """
    pid = int((record.front or "0").partition("-")[0])
    if record.machine != process_table.machine() or not alive(record.front):
        return record
    ours = process_table.owner(pid) == os.getuid() and process_table.program(pid).startswith(PROGRAMS)
    return record if ours else record._replace(front=record.supervisor)


def alive(identity: str) -> bool:
    """Whether the process PID-STARTTICKS lives; a zombie does not."""
    row = process_table.stat(int(identity.partition("-")[0]))
    return row is not None and row.alive and f"{row.pid}-{row.started}" == identity
