"""What /proc tells of the processes of one look, as the rule in `audience` asks for it; nothing is read twice.

Only files are read that answer at once: `status`, `comm` and the links of `exe` and `fd`. A command line lies in the
memory of its process, which a disk that stands still can hold up.
"""

import signal
from collections.abc import Container, Sequence

from procrun.system.audience import Bearing, Key, key
from procrun.system.forwarders import HASTY, MULTICALL, RUNNERS, SHELLS, UNMOVED
from procrun.system.host import process_table
from procrun.system.types import Masks, Stat

_INTERRUPTS = (1 << signal.SIGINT - 1) | (1 << signal.SIGQUIT - 1)
"""INT and QUIT in a mask: what a shell without job control has ignored for its background children."""

_NOWHERE = "/dev/null"


class Observed:
    """The facts of one look; those `aside` step aside, as was seen, though their name does not tell."""

    def __init__(self, aside: Container[Key] = ()) -> None:
        self._aside = aside
        self._masks: dict[int, Masks] = {}
        self._programs: dict[int, str] = {}
        self._writes: dict[int, frozenset[str]] = {}

    def bearing(self, row: Stat, number: int) -> Bearing:
        masks, bit = self._mask(row), 1 << number - 1
        if masks.ignored & bit:
            return Bearing.IGNORES
        if masks.caught & bit:
            return Bearing.CATCHES
        return Bearing.BLOCKS if masks.blocked & bit else Bearing.DIES

    def awaits(self, row: Stat, number: int) -> bool:
        return bool(process_table.awaited(row.pid) >> number - 1 & 1)

    def is_shell(self, row: Stat) -> bool:
        return self._program(row) in SHELLS

    def steps_aside(self, row: Stat) -> bool:
        return self._program(row) in HASTY or process_table.name(row.pid) in HASTY or key(row) in self._aside

    def is_runner(self, row: Stat) -> bool:
        return process_table.name(row.pid) in RUNNERS

    def is_unmoved(self, shell: Stat) -> bool:
        return self._program(shell) in UNMOVED

    def in_background(self, row: Stat, shell: Stat) -> bool:
        if _INTERRUPTS & self._mask(row).ignored & ~self._mask(shell).ignored == _INTERRUPTS:
            return True
        return process_table.opened(row.pid, 0) == _NOWHERE != process_table.opened(shell.pid, 0)

    def is_fed(self, row: Stat, by: Sequence[Stat]) -> bool:
        stdin = process_table.opened(row.pid, 0)
        return stdin.startswith("pipe:[") and any(stdin in self._written(other) for other in by)

    def _mask(self, row: Stat) -> Masks:
        if row.pid not in self._masks:
            self._masks[row.pid] = process_table.masks(row.pid)
        return self._masks[row.pid]

    def _written(self, row: Stat) -> frozenset[str]:
        if row.pid not in self._writes:
            self._writes[row.pid] = process_table.written(row.pid)
        return self._writes[row.pid]

    def _program(self, row: Stat) -> str:
        """The name of the program that runs; a script has that of its interpreter."""
        if row.pid not in self._programs:
            name = process_table.program(row.pid).removesuffix(" (deleted)")
            self._programs[row.pid] = process_table.name(row.pid) if name in MULTICALL else name
        return self._programs[row.pid]
