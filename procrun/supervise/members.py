"""The processes that belong to one instance: which are alive, which is its program, and who gets a signal."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from procrun.core.spec import Manners, Spec
from procrun.system.audience import Key
from procrun.system.process_tree import Family
from procrun.system.signalling import HARMLESS, Volley, main_process
from procrun.system.types import Stat


class Program(NamedTuple):
    """A known program that an instance was seen to run: its process, and the manners that follow from it.

    `started` is in clock ticks since boot, so that no later process is taken for it.
    """

    pid: int
    started: int
    manners: Manners


class Members:
    """Those of one instance; `refused` is called for each that is another user's and may not be signalled."""

    def __init__(self, spec: Spec, family: Family, refused: Callable[[Stat], None]) -> None:
        self.spec = spec
        """What they were started as."""
        self.pid = 0
        """The leader's; 0 where it has ended."""
        self.program: Program | None = None
        """The known program that it was seen to run, in this life."""
        self.family = family
        self._refused = refused
        self.volley = Volley(refused)

    def begin(self, spec: Spec) -> None:
        """A new life: nothing is known of its processes."""
        self.spec = spec
        self.program = None
        self.volley = Volley(self._refused)

    @property
    def manners(self) -> Manners:
        """How it is treated: as the program that it runs, where one was seen, else as planned."""
        return self.program.manners if self.program is not None else self.spec.manners

    def alive(self) -> list[Stat]:
        """Everything of it that is alive and ours to signal."""
        return self.volley.ours(self.family.members(self.spec.name))

    def pids(self) -> list[int]:
        """Those of everything that is alive."""
        return [row.pid for row in self.alive()]

    def is_computing(self) -> bool:
        """Whether a process of it has work for a processor."""
        return any(row.state == "R" for row in self.alive())

    def outlived(self) -> bool:
        """Whether something of it outlives KILL."""
        return bool(self.family.outlived(self.spec.name))

    def signal(self, number: int) -> int:
        """Send a signal as a step of a stop, to those that it goes to; how many are there to hear it."""
        return self.volley.fire(number, self.pid, self.alive(), self.manners.to_all, self._program_pid)

    def signal_again(self, number: int) -> bool:
        """Send it to those that are to be told by now; whether there is somebody who may still have to be."""
        return self.volley.again(number, self.alive(), self.manners.to_all)

    def send(self, number: int) -> None:
        """Send its main process a signal that is no part of a stop; its leader where nobody catches it."""
        self.volley.aim(number, self.pid, self.alive(), self._program_pid)

    def catches(self, number: int) -> bool:
        """Whether its main process catches the signal."""
        return main_process(number, self.pid, self.alive(), self._program_pid) is not None

    def survives(self, number: int) -> bool:
        """Whether it goes on after signal `number`: its main process catches it, or nobody ends of it anyway."""
        if number in self.manners.deadly:
            return False
        return number in HARMLESS or self.catches(number)

    def pass_over(self, keys: Iterable[Key]) -> None:
        """These were seen to be programs whose children are told in their place when they are to end."""
        self.volley.aside |= set(keys)

    @property
    def _program_pid(self) -> int:
        """The pid of the known program that it was seen to run; 0 where there is none, or that process has gone."""
        program = self.program
        seen = program is not None and any((row.pid, row.started) == program[:2] for row in self.alive())
        return program.pid if program is not None and seen else 0
