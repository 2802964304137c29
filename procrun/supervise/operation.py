"""One operation of a client on some instances, from the request to its end."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from procrun.core.events import Happening


class Goal(NamedTuple):
    """What an operation is about: `names` have to settle, and those of `up` have to be up then.

    With `until_ready` they have to be ready, too. `notes` are lines for the client that go with the answer.
    """

    names: frozenset[str]
    up: frozenset[str] = frozenset()
    notes: Sequence[str] = ()
    until_ready: bool = False


class Errand(NamedTuple):
    """What a client asked for: it hears of each step of these instances, and when all of them have settled.

    With `until_ready` each must be ready where anything is asked, by default too.
    """

    names: frozenset[str]
    progress: Callable[[Happening], None]
    done: Callable[[], None]
    until_ready: bool = False
