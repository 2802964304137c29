"""Keeps what a run has in its folder: what somebody takes away (`git clean -fdx`) is made anew at once.

Without its socket the run could not be reached, a second start would run everything twice, and a process that tells
how it is would be taken for hung.
"""

import os
import signal
from collections.abc import Callable, Collection, Iterable
from time import monotonic, sleep
from typing import NamedTuple

from procrun.core import run_dir
from procrun.core.errors import ConfigError
from procrun.core.run_dir import Kept
from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import Occasional
from procrun.system.host import folder_news, may_stand_still

NEWS = signal.SIGRTMIN
"""What the kernel sends when something goes from the run's folder; of the folder around it SIGIO tells."""

SOON = 0.01
"""Seconds from that to a look, and between two: no start has come so far by then."""

STILL = 0.05
"""Seconds in which nothing more goes from a folder that is there: whoever removes all of it is not at it any more."""

PAUSE = 1.0
"""Seconds between two looks for the sake of the folder around it, in which files may come and go all the time."""


class _Look(NamedTuple):
    """What was seen and done in the thread: descriptors to hear more by, what was lost, and how it counts again."""

    handles: list[int]
    lost: list[Kept]
    made: list[tuple[Kept, str, Callable[[], None]]]
    passed: list[str]


class Keeper:
    """Looks after `kept`, files of the run of the app in `root`, from `begin` to `close`; `say` tells what was done.

    The looks are taken by `aside`, as the disk may stand still.
    """

    def __init__(
        self, loop: Loop, aside: Occasional, root: str, kept: Collection[Kept], say: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._aside = aside
        self._root = root
        self._kept = kept
        self._say = say
        self._handles: list[int] = []
        self._due: Timer | None = None
        self._looked = 0.0
        self._over = False

    def begin(self) -> None:
        """From now on."""
        self._loop.heed(NEWS, lambda: self._look_in(SOON))
        self._loop.heed(signal.SIGIO, lambda: self._look_in(max(SOON, self._looked + PAUSE - monotonic())))
        self._look()

    def close(self) -> None:
        """Make nothing anew any more: what is kept is about to be removed."""
        self._over = True
        if self._due is not None:
            self._due.cancel()
        folder_news.let_go(self._handles)
        self._handles = []

    def _look_in(self, seconds: float) -> None:
        """The sooner of two looks is taken."""
        when = monotonic() + seconds
        if self._over or (self._due is not None and self._due.when <= when):
            return
        if self._due is not None:
            self._due.cancel()
        self._due = self._loop.at(when, self._look)

    def _look(self) -> None:
        self._due = None
        self._looked = monotonic()
        kept = list(self._kept)
        self._aside.do(lambda: self._seen(kept), self._adopt)

    def _seen(self, kept: list[Kept]) -> _Look:
        """Have the kernel tell first, then look; what is missing is made anew."""
        handles = _asked(kept)
        lost = [one for one in kept if not one.is_there()]
        for folder in {os.path.dirname(one.path) for one in lost}:
            _await_end_of_removal(folder)
        passed: list[str] = []
        made = [new for one in lost if not self._over and (new := self._made(one, passed)) is not None]
        if made:
            folder_news.let_go(handles)
            handles = _asked(kept, [folder for _, folder, _ in made])
        if self._over:
            for one in lost:
                run_dir.remove(one.path)
        return _Look(handles, lost, made, passed)

    def _made(self, one: Kept, passed: list[str]) -> tuple[Kept, str, Callable[[], None]] | None:
        """It, the folder where it is by now, and what makes it count; None where there is none for it."""
        try:
            for folder in run_dir.make(self._root, passed, local=may_stand_still(self._root)):
                try:
                    return one, folder, one.remake(folder)
                except OSError as error:
                    passed.append(f"{folder}: {error.strerror}")
        except ConfigError:
            pass
        return None

    def _adopt(self, found: _Look) -> None:
        if self._over:
            folder_news.let_go(found.handles)
            return
        folder_news.let_go(self._handles)
        self._handles = found.handles
        if not found.lost:
            return
        before = os.path.dirname(found.lost[0].path)
        for _, _, count in found.made:
            count()
        made = [one for one, _, _ in found.made]
        for one in found.lost:
            if one not in made:
                one.give_up()
        self._tell(before, found)

    def _tell(self, before: str, found: _Look) -> None:
        names = sorted({one.called for one in found.lost})
        were, are = ("was", "it is") if len(names) == 1 else ("were", "they are")
        text = f"the {_listed(names)} of this run {were} removed from {before}"
        if not found.made:
            self._say(f"{text}, and cannot be made anew: {'; '.join(found.passed)}")
            return
        folder = found.made[0][1]
        where = "" if folder == before else f", in {folder}, since not in {found.passed[0] if found.passed else before}"
        self._say(f"{text}; {are} made anew{where}")


def _asked(kept: Iterable[Kept], besides: Iterable[str] = ()) -> list[int]:
    """Have the kernel tell of what goes from the folders of these, and from the folders around them."""
    folders = dict.fromkeys([*(os.path.dirname(one.path) for one in kept), *besides])
    around = dict.fromkeys(map(os.path.dirname, folders))
    return [*folder_news.ask(folders, folder_news.LOSSES, NEWS), *folder_news.ask(around, folder_news.LOSSES)]


def _await_end_of_removal(folder: str) -> None:
    """Who removes a folder with all that is in it would fail at its end, if there was something in it again."""
    before, since = _names(folder), monotonic()
    while before is not None and monotonic() < since + STILL:
        sleep(SOON)
        names = _names(folder)
        if names != before:
            before, since = names, monotonic()


def _names(folder: str) -> list[str] | None:
    """What is in it; None where it has gone."""
    try:
        return os.listdir(folder)
    except OSError:
        return None


def _listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
