"""One operation of a client on some instances, from the request to its end."""

from collections.abc import Callable
from typing import NamedTuple

from procrun.core.events import Happening


class Errand(NamedTuple):
    """What a client asked for: it hears of each step of these instances, and when all of them have settled.

    With `until_ready` each must be ready where anything is asked, by default too.
    """

    names: frozenset[str]
    progress: Callable[[Happening], None]
    done: Callable[[], None]
    until_ready: bool = False
