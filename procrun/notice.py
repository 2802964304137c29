"""Tells that a file of the plan has changed, in a run where nothing watches: the kernel sends a signal, once a folder.

dnotify (fcntl(2), F_NOTIFY) needs neither a library nor a thread, and while nothing changes nobody wakes up.
"""

import fcntl
import os
import signal
from collections.abc import Callable

from procrun.loop import Loop, Timer
from procrun.sources import Sources, Stamp, changed_files, folders_of_files
from procrun.supervisor import Supervisor
from procrun.wording import plan_changed

NEWS = signal.SIGIO
"""What the kernel sends where F_SETSIG names no other. Its default action would end us: it is heeded first."""

CHANGES = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME

PAUSE = 1.0
"""Seconds from a signal to the look at the files: a save is over by then, and who logs beside them wakes us no more."""


class Notice:
    """Has `say` tell of each change of the files that `adopt` was given, until `close` or the end of the run.

    Where the kernel cannot tell (EINVAL) or a folder cannot be opened nothing is told.
    """

    def __init__(self, supervisor: Supervisor, loop: Loop, say: Callable[[str], None]) -> None:
        self._supervisor = supervisor
        self._loop = loop
        self._say = say
        self._sources: Sources | None = None
        self._told: dict[str, Stamp | None] = {}
        self._folders: list[int] = []
        self._due: Timer | None = None
        loop.heed(NEWS, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [NEWS])

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
        self._let_go()

    def _hear(self) -> None:
        if self._due is None and self._sources is not None:
            self._due = self._loop.after(PAUSE, self._look)

    def _look(self) -> None:
        """Have the kernel tell again, then compare: what comes in between is found now, and by one more look."""
        self._due = None
        if self._sources is None or self._supervisor.verdict is not None:
            return
        self._let_go()
        for folder in folders_of_files(self._sources):
            self._ask(folder)
        now = changed_files(self._sources)
        new = [file for file, stamp in now.items() if file not in self._told or self._told[file] != stamp]
        self._told = now
        if new:
            self._say(plan_changed(self._sources.root, new))

    def _ask(self, folder: str) -> None:
        """Have the kernel tell once; by a new descriptor, as the folder may be another one of that name."""
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            fcntl.fcntl(handle, fcntl.F_NOTIFY, CHANGES)
        except OSError:
            os.close(handle)
        else:
            self._folders.append(handle)

    def _let_go(self) -> None:
        while self._folders:
            os.close(self._folders.pop())
