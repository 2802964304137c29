"""Tells that a file of the plan has changed, in a run where nothing watches: the kernel's word is enough."""

import signal
from collections.abc import Callable

from procrun.core.events import plan_changed
from procrun.eventloop.loop import Loop, Timer
from procrun.eventloop.worker import Occasional
from procrun.plan.sources import Sources, Stamp, changed_files, folders_of_files
from procrun.supervise.supervisor import Supervisor
from procrun.system.host import folder_news

Look = tuple[list[int], dict[str, Stamp | None]]
"""The descriptors by which the kernel tells of a further change, and the files that have changed by now."""

PAUSE = 1.0
"""Seconds from a signal to the look at the files: a save is over by then, and who logs beside them wakes us no more."""


class Notice:
    """Has `say` tell of each change of the files that `adopt` was given, until `close` or the end of the run.

    Where the kernel cannot tell (EINVAL) or a folder cannot be opened nothing is told.
    """

    def __init__(self, supervisor: Supervisor, loop: Loop, aside: Occasional, say: Callable[[str], None]) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._aside = aside
        self._say = say
        self._sources: Sources | None = None
        self._told: dict[str, Stamp | None] = {}
        self._handles: list[int] = []
        self._due: Timer | None = None
        loop.heed(signal.SIGIO, self._hear)

    def adopt(self, sources: Sources) -> None:
        """From now on these are the files; what has changed since they were read is told, too."""
        self.close()
        self._sources = sources
        self._told = {}
        self._look()

    def close(self) -> None:
        """Tell no more; the kernel forgets us with the descriptors."""
        self._sources = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._keep([])

    def _hear(self) -> None:
        if self._due is None and self._sources is not None:
            self._due = self._loop.after(PAUSE, self._look)

    def _look(self) -> None:
        """In a thread: their disk may stand still."""
        self._due = None
        sources = self._sources
        if sources is not None and self._supervisor.verdict is None:
            self._aside.do(lambda: _look_at(sources), lambda found: self._compare(sources, found))

    def _compare(self, sources: Sources, found: Look) -> None:
        handles, now = found
        if sources is not self._sources:  # others have been adopted meanwhile
            folder_news.let_go(handles)
            return
        self._keep(handles)
        new = [file for file, stamp in now.items() if file not in self._told or self._told[file] != stamp]
        self._told = now
        if new and self._supervisor.verdict is None:
            self._say(plan_changed(sources.root, new))

    def _keep(self, handles: list[int]) -> None:
        folder_news.let_go(self._handles)
        self._handles = handles


def _look_at(sources: Sources) -> Look:
    """Have the kernel tell again, then compare: what comes in between is found now, and by one more look."""
    return folder_news.ask(folders_of_files(sources), folder_news.CHANGES), changed_files(sources)
