"""What all instances of a run share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from procrun.eventloop.loop import Loop
from procrun.output.reader import Output
from procrun.output.stdio import Window
from procrun.system.process_tree import Family

if TYPE_CHECKING:  # imported behind the first child
    from procrun.core.run_dir import Kept
    from procrun.health.readiness import Questions


class Surroundings(NamedTuple):
    """What all instances share, handed in at construction.

    `kept` are the files in the run's folder that are to be there while the run lives.
    """

    loop: Loop
    family: Family
    output: Output
    window: Callable[[], Window | None]
    questions: "Callable[[], Questions]"
    kept: "set[Kept]"
