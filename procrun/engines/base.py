"""What the command line asks of a run, whatever carries it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from procrun.control.protocol import Answer, Deploy, Deployed, Logs, Output, Row
from procrun.core.errors import NoRunError
from procrun.core.events import Event


class Step(NamedTuple):
    """A step of an operation, so many seconds after it was asked for."""

    at: float
    event: Event


class Outcome(NamedTuple):
    """How an operation ended: the instances that are not as they should be, and lines for people."""

    failed: list[str]
    notes: list[str]


Heed = Callable[[Step], None]
"""Hears each step as it happens."""

Operation = Callable[[Heed], Outcome]
"""Does what a verb says when it is called, and returns when it has ended. Raises ControlError where it is refused."""


class Connection(Protocol):
    """A terminal's line to one instance: each answer but a refusal, an end and Taken is asked for by `more`."""

    @property
    def foreign(self) -> bool:
        """Whether the run is another user's."""

    @property
    def over(self) -> bool:
        """Whether nothing comes any more."""

    def fileno(self) -> int:
        """What can be read when there are answers."""

    def begin(self, name: str, rows: int, columns: int) -> None:
        """Attach to the instance of this name, with a terminal of this size; 0 where there is none."""

    def answers(self) -> Iterator[Answer]:
        """Those that are there by now, at least a piece of one."""

    def more(self) -> None:
        """Ask for the next one."""

    def type(self, keys: bytes) -> None:
        """Send what was typed; Taken answers."""

    def resize(self, rows: int, columns: int) -> None:
        """Say that the terminal has another size."""

    def close(self) -> None:
        """Hang up."""


class Run(Protocol):
    """One running app. Names are those of types and instances; none means everything."""

    @property
    def title(self) -> str:
        """What it is called in a message."""

    @property
    def states(self) -> Mapping[str, str]:
        """Its instances, each with its state when the run was found."""

    def holds(self, name: str) -> bool:
        """Whether it has the instance or the process type `name`."""

    def ps(self, at_once: bool = False) -> list[Row]:
        """How each instance is; `at_once` leaves the run only as long as it has for a greeting."""

    def start(self, names: Sequence[str], wait: bool) -> Operation:
        """Start these that are down; with `wait` until they are ready."""

    def stop(self, names: Sequence[str], timeout: float | None) -> Operation:
        """Stop these, inside `timeout` seconds or as each of them needs."""

    def restart(self, names: Sequence[str], timeout: float | None, rolling: bool) -> Operation:
        """Restart these, all at once or one after the other."""

    def reload(self, dry_run: bool) -> Operation:
        """Read the plan again and put in place what is new, or only tell what that would be."""

    def scale(self, formation: Mapping[str, int]) -> Operation:
        """Have so many instances of each type."""

    def quiet(self, names: Sequence[str]) -> Operation:
        """Have these take no new work."""

    def signal(self, signal: str, names: Sequence[str], force: bool) -> Operation:
        """Send these a signal, by its name; with `force` one that they die of, too."""

    def deploy(self, deploy: Deploy, work: Callable[[], Deployed]) -> Operation:
        """Quiet, have `work` done, and restart on the plan as it is then."""

    def wait(self, names: Sequence[str], until: Literal["ready", "exit"], timeout: float | None) -> Outcome:
        """Wait until these are ready or have ended. Raises ControlError (exit 124) after `timeout` seconds."""

    def watch(self, names: Sequence[str], heed: Heed) -> None:
        """Pass on what happens to these, until the run is over."""

    def logs(self, logs: Logs, take: Callable[[Output], None]) -> None:
        """Pass on what was written and, for who follows, what is written until the run is over."""

    def attach(self) -> Connection:
        """A line for one instance."""

    def await_end(self) -> None:
        """Wait until it is over, and nothing of it is left."""


class Engine(Protocol):
    """What finds the runs of one app."""

    def runs(self) -> Sequence[Run]:
        """All of them. Raises ControlError where one does not say what it has."""

    def find(self, names: Sequence[str], within: float | None = None) -> Sequence[tuple[Run, list[str]]]:
        """Each run that is meant, with those of `names` that it holds; all runs when no name is given.

        A start that is under way, and each run, has a few seconds for it, and `within` where that is less. Raises
        NoRunError when nothing runs, ControlError for a name that no run has.
        """

    def nothing_runs(self) -> NoRunError:
        """The error that says so, and what to do."""
