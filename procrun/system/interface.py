"""What procrun asks of an operating system, as protocols; a package for each system keeps them (`linux`).

The modules of that package are the implementations. A test may put a fake in the place of one (`host`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from procrun.system.types import Exit, Listener, Masks, Stat


class ProcessTable(Protocol):
    """Which processes there are, and what is known of each."""

    PLACE: str

    def arguments(self, pid: int) -> list[str]:
        """The words that `pid` was started with, or its title as one word; empty when it is gone."""
        ...

    def awaited(self, pid: int) -> int:
        """The signals that `pid` reads from a descriptor (signalfd(2)) as a mask; all of them while it is in
        sigwait(3).
        """
        ...

    def children(self) -> set[int]:
        """The pids of this process's own children, adopted ones included."""
        ...

    def clock(self, ticks: int) -> float:
        """When it was that many clock ticks after the boot, as seconds since the epoch."""
        ...

    def command_line(self, pid: int) -> str:
        """The whole command line of `pid`, or the title it has put in its place; empty when it is gone."""
        ...

    def descendants(self, root: int, table: Mapping[int, Stat]) -> list[Stat]:
        """Everything alive below `root`, parents before children; zombies are dead and left out."""
        ...

    def environment(self, pid: int) -> dict[str, str]:
        """The environment that `pid` was started with; empty when it is unreadable or rewritten."""
        ...

    def folder(self, pid: int) -> str:
        """The folder that `pid` works in; empty when it is gone or not ours to see."""
        ...

    def held(self, pid: int) -> int:
        """The bytes that `pid` holds in memory or swap and nowhere else: its own, and its part of what it shares."""
        ...

    def held_up_for(self, pid: int) -> float:
        """For how many seconds what was asked of the memory of `pid` is not answered; 0 where no answer is waited
        for.
        """
        ...

    def identity(self, pid: int) -> str:
        """`PID-STARTTICKS`: names a process so that no later one with its pid is taken for it; ticks 0 when it is
        gone.
        """
        ...

    def is_ending(self, row: Stat) -> bool:
        """Whether the process of `row` has gone or is on its way: then its memory, with the environment, is gone
        first.
        """
        ...

    def is_held_up(self, pid: int) -> bool:
        """Whether the memory of `pid` cannot be looked into just now, as far as is known."""
        ...

    def is_kernels(self, row: Stat) -> bool:
        """Whether `row` is a thread of the kernel. Session 0 does not tell: one from outside of a container is 0
        too.
        """
        ...

    def lives(self, row: Stat) -> bool:
        """Whether the process of `row` is alive still."""
        ...

    def machine(self) -> str:
        """What pids mean something in: the boot, and the pid namespace (a container has its own)."""
        ...

    def mark(self, pid: int, name: str) -> str | None:
        """The value of `name` in the environment `pid` was started with; None when unreadable or rewritten."""
        ...

    def marks(self, pids: Sequence[int], name: str, patience: float = ...) -> dict[int, str]:
        """The same of many; each has so many seconds to answer."""
        ...

    def masks(self, pid: int) -> Masks:
        """The signal masks of `pid` (/proc/PID/status, proc(5)); all empty when it is gone."""
        ...

    def memory(self, pid: int) -> int:
        """The resident memory of `pid` in bytes, 0 when it is gone."""
        ...

    def name(self, pid: int) -> str:
        """The name of the program that `pid` was started as, at most 15 characters of it; a program may change it."""
        ...

    def named(self, rows: Sequence[Stat], most: int = 3) -> str:
        """These processes for people: `pid 12 (sleep 600), pid 13 (ruby app.rb) and 4 more`."""
        ...

    def namespace(self, pid: int) -> int:
        """The pid namespace of `pid` by its inode; 0 where that is not ours to see."""
        ...

    def opened(self, pid: int, fd: int) -> str:
        """What descriptor `fd` of `pid` leads to: a path, or `pipe:[INODE]`; empty when it has none, or none we
        may see.
        """
        ...

    def owner(self, pid: int) -> int:
        """The user whose process `pid` is; -1 when it is gone."""
        ...

    def peak_memory(self, pid: int) -> int:
        """The most resident memory that `pid` ever had, in bytes (VmHWM, proc(5)); 0 when it is gone."""
        ...

    def program(self, pid: int) -> str:
        """The name of the file that `pid` executes, or what it calls itself where that is not ours to see."""
        ...

    def seconds(self, ticks: int) -> float:
        """Clock ticks as seconds."""
        ...

    def snapshot(self) -> dict[int, Stat]:
        """Every process of this machine (or container) by pid; about 8 µs each."""
        ...

    def stat(self, pid: int) -> Stat | None:
        """The process `pid` as it is now, or None where there is none."""
        ...

    def title(self, pid: int) -> str:
        """The command line of `pid` for people: blanks between the words; of a long one the middle is left out."""
        ...

    def unusable(self) -> str:
        """Why /proc does not show the processes of our own pid namespace, with the cure; empty where it does."""
        ...

    def users(self, pid: int) -> set[int]:
        """The real, effective, saved and file system uid of `pid` (proc(5)); empty when it is gone."""
        ...

    def written(self, pid: int) -> frozenset[str]:
        """The pipes that `pid` can write to, as `pipe:[INODE]`; empty when it is gone or not ours to see."""
        ...


class ProcessSignals(Protocol):
    """Sends signals to exactly one process."""

    def catches(self, pid: int, number: int) -> bool:
        """Whether `pid` has a handler for signal `number`; without one most signals kill."""
        ...

    def dead_child(self) -> tuple[int, Exit] | None:
        """Bury a child that has ended, if there is one: its pid, and how it ended (waitid(2))."""
        ...

    def ending(self, row: Stat) -> int | None:
        """A descriptor that can be read once exactly this process has ended (pidfd_open(2)); None where it has
        gone.
        """
        ...

    def send(self, number: int, row: Stat, *behind: int) -> bool:
        """Signal exactly the process of `row`, never another one that got its pid since; False when it is gone."""
        ...


class ProcessHandles(Protocol):
    """Whether signals can be tied to one process, whatever becomes of its pid."""

    LOOK_EVERY: float

    def refusal(self) -> str:
        """Why there are no handles here, in the system's words; empty where there are."""
        ...

    def warning(self) -> str:
        """What people should know of that, empty where there are handles."""
        ...


class Sockets(Protocol):
    """What listens on this machine, and who it is."""

    def all_listeners(self) -> list[Listener]:
        """What anybody listens on here, TCP and UNIX sockets; a relative path as it was bound."""
        ...

    def first_outgoing_port(self) -> int:
        """Where the ports begin that the kernel gives to outgoing connections (ip(7)); 0 where that cannot be
        read.
        """
        ...

    def holder(self, inode: str) -> int | None:
        """The pid that has the socket `inode` open; None where that is not ours to see."""
        ...

    def listeners(self, pids: Iterable[int], among: Iterable[Listener]) -> list[Listener]:
        """Those of `among` that one of these processes has open; a relative path leads through its folder."""
        ...

    def listening(self) -> dict[int, str]:
        """TCP ports somebody listens on, each with its socket's inode."""
        ...

    def listening_sockets(self) -> set[tuple[int, str]]:
        """The same as port and inode, of every socket: a port may have one for each address."""
        ...


class Pipes(Protocol):
    """Pipes between processes."""

    def opened_anew(self, fd: int, flags: int) -> int:
        """A description of our own of what `fd` leads to: O_NONBLOCK on a shared one would change it for others,
        too.
        """
        ...

    def output_pipe(self, pid: int, reader: int) -> str | None:
        """What tells the pipe that `pid` has as its stdout from all others, where `reader` has it open too; else
        None.
        """
        ...

    def pipes_written(self, pid: int) -> dict[int, str]:
        """The inodes of the pipes that `pid` has as stdout and stderr, each with the path by which it can be
        opened.
        """
        ...

    def resize(self, fd: int, wanted: int) -> int:
        """Let a pipe hold so many bytes; how many it may hold now."""
        ...

    def size(self, fd: int) -> int:
        """The bytes that a pipe may hold (pipe(7), F_GETPIPE_SZ). Raises OSError where `fd` is none."""
        ...

    def written_by(self, pid: int, reader: int) -> int:
        """The pipe from the stdout of `pid` to `reader`, opened for writing, without blocking. Raises OSError."""
        ...


class Subreaper(Protocol):
    """To whom orphans come."""

    def become_subreaper(self) -> None:
        """Orphans below this process become its children, double-forked daemons included (prctl(2))."""
        ...

    def end_with_parent(self) -> None:
        """From here on this process gets TERM when its parent ends. Raises OSError where the kernel refuses."""
        ...


class FolderNews(Protocol):
    """Word from the system that something in a folder changes."""

    CHANGES: int

    LOSSES: int

    def ask(self, folders: Iterable[str], changes: int, number: int = ...) -> list[int]:
        """Have the kernel send this process signal `number`, once for each folder, when one of `changes` happens
        there.
        """
        ...

    def let_go(self, handles: Iterable[int]) -> None:
        """Hear no more of these."""
        ...
