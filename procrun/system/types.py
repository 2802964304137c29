"""What the system tells of a process: its state, and how it ended."""

from typing import NamedTuple


class Listener(NamedTuple):
    """A listening stream socket: where to connect to (host and port, or a path), and its inode."""

    address: tuple[str, int] | str
    inode: str


class Masks(NamedTuple):
    """What a process does with each signal, bit n-1 for signal n.

    `pending` are those that were sent and not taken yet; `blocked` those that its main thread does not take now.
    """

    caught: int = 0
    ignored: int = 0
    pending: int = 0
    blocked: int = 0


class Exit(NamedTuple):
    """How a process ended: a status (0 to 255), or the signal that killed it; the other is None."""

    status: int | None
    signal: int | None


class Stat(NamedTuple):
    """One process in /proc: `flags` are PF_…, `started` is in clock ticks since boot, `cpu` in clock ticks.

    `state` and `flags` are the main thread's, or a living thread's where the main one has ended.
    """

    pid: int
    state: str
    ppid: int
    pgid: int
    sid: int
    flags: int
    started: int
    cpu: int
    terminal: int = 0
    """The number of its controlling terminal; 0 where it has none."""

    @property
    def alive(self) -> bool:
        """Whether any thread of it lives; a zombie is a process whose last thread has ended."""
        return self.state not in "ZX"
