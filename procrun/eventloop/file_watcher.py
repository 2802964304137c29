"""Tells which files have changed: a thread that watchfiles (the kernel's inotify) wakes, or that looks every second.

watchfiles blocks, and the loop may not. The extension alone is loaded, without what the package imports besides.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

from procrun.eventloop.globs import Globs, Survey, survey
from procrun.eventloop.loop import Loop

CURE = "needs watchfiles, which is not installed: pip install 'procrun[watch]'"

QUIET = 100
"""Milliseconds without a further change after which what has changed is told; between two looks at the clock, too."""

BURST = 1000
"""Milliseconds after which it is told even where changes go on and on."""

LOOKS = 1.0
"""Seconds between two looks at all files where the kernel does not tell of changes."""

_POLLING = "WATCHFILES_FORCE_POLLING"
"""watchfiles' own variable, for folders that another machine changes (NFS, a virtual machine's share)."""

Changes = Mapping[str, list[str]]


def extension() -> ModuleSpec | None:
    """Where watchfiles' extension is; None where it is not installed."""
    try:
        package = find_spec("watchfiles")
    except (ImportError, ValueError):
        return None
    return package and PathFinder.find_spec("watchfiles._rust_notify", package.submodule_search_locations)


@cache
def _loaded() -> Any:
    """The extension; a second time it could not be loaded."""
    spec = extension()
    if spec is None or spec.loader is None:
        raise ImportError("watchfiles is gone")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Lookout(threading.Thread):
    """Has the loop call `hear` with the files that have changed, by each name of `wanted` whose globs mean them.

    `note` hears of what is odd. Both are called from the loop.
    """

    def __init__(
        self,
        loop: Loop,
        wanted: Mapping[str, Globs],
        root: str,
        hear: Callable[[Changes], None],
        note: Callable[[str], None],
    ) -> None:
        super().__init__(daemon=True)
        self._loop = loop
        self._wanted = wanted
        self._next: Mapping[str, Globs] | None = None
        self._root = root
        self._polls = _wants_polling()
        self._hear = hear
        self._note = note
        self._news: deque[Callable[[], None]] = deque()
        self._over = threading.Event()
        self._forgotten = threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        loop.read(self._reader, self._deliver)
        self.start()

    def look_for(self, wanted: Mapping[str, Globs]) -> None:
        """From now on for these; what has changed of the others until now is told."""
        self._next = wanted

    def is_set(self) -> bool:
        """Whether there is something else to do than to watch on: what watchfiles asks."""
        return self._over.is_set() or self._next is not None

    def end(self) -> None:
        """Nothing more is to be told; the thread ends in a moment."""
        self._over.set()

    def close(self, patience: float) -> None:
        """Have the thread end and close its pipe; wait up to `patience` seconds for that."""
        self._loop.forget(self._reader)
        self._over.set()
        self._forgotten.set()
        self.join(patience)

    def run(self) -> None:
        """Look out until the end. Signals are for the other thread: the loop waits for them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._look_out()
        self._forgotten.wait()
        os.close(self._reader)
        os.close(self._writer)

    def _look_out(self) -> None:
        try:
            before = self._survey(self._wanted)
            self._tell_of_nothing(before)
            while not self._over.is_set():
                if self._next is not None:
                    before = self._turn_to(self._next, before)
                before = self._watch(before)
        except Exception as error:  # whatever it is, the run goes on
            self._say(f"files are watched no more: {error}")

    def _turn_to(self, wanted: Mapping[str, Globs], before: Survey) -> Survey:
        """Look first, then compare: what comes in between is told twice rather than not at all."""
        self._next = None
        now = self._survey(wanted)
        self._compared(before)
        self._wanted = wanted
        self._tell_of_nothing(now)
        return now

    def _watch(self, before: Survey) -> Survey:
        """Watch the folders of `before` for as long as it is these; what was found last.

        What came between the look and the watch is found by another look.
        """
        try:
            watcher = self._watcher(before)
        except OSError:
            self._over.wait(QUIET / 1000)
            return self._compared(before)
        now = self._compared(before)
        return self._wait(watcher, now) if watcher is None or now.folders == before.folders else now

    def _survey(self, wanted: Mapping[str, Globs]) -> Survey:
        """What there is by now. While there is no descriptor to look with, another look is taken every second."""
        while not self._over.is_set():
            try:
                return survey(wanted.values(), self._root)
            except OSError:
                self._over.wait(LOOKS)
        return Survey({}, {}, set())  # for nobody

    def _watcher(self, found: Survey) -> Any:
        """What wakes us when something changes in the folders; None where it has to be looked for.

        Raises FileNotFoundError or PermissionError for a folder that has gone, or was closed, since the look.
        """
        if self._polls:
            return None
        try:
            # Permission must not be ignored: watchfiles 1.3 would ignore that the limit is reached along with it.
            return _loaded().RustNotify(sorted(found.folders), False, False, 0, False, False)
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, RuntimeError, ImportError) as error:
            self._say(f"{_why(error)}; files are looked at every {LOOKS:g} s instead")
            self._polls = True
            return None

    def _wait(self, watcher: Any, before: Survey) -> Survey:
        """Tell of changes until there are other folders to watch; what was found last."""
        while not self.is_set():
            if watcher is None:
                self._over.wait(LOOKS)
            else:
                changes = watcher.watch(BURST, QUIET, 0, self)
                if isinstance(changes, str) or not any(self._matters(path, before) for _, path in changes):
                    continue
            now = self._compared(before)
            if now.folders != before.folders and watcher is not None:
                return now
            before = now
        return before

    def _matters(self, path: str, found: Survey) -> bool:
        """Whether a change of the real `path` may have changed what a survey finds."""
        folder, name = os.path.split(path)
        if path in found.targets or path in found.folders or os.path.isdir(path):
            return True
        names = [os.path.join(other, name) for other in found.folders.get(folder, ())]
        return any(each.match(other) for each in self._wanted.values() for other in names)

    def _compared(self, before: Survey) -> Survey:
        """A new survey; what differs is told."""
        now = self._survey(self._wanted)
        if self._over.is_set():
            return now
        paths = [path for path in {**before.files, **now.files} if before.files.get(path) != now.files.get(path)]
        found = {who: [path for path in paths if each.match(path)] for who, each in self._wanted.items()}
        told = {who: sorted(files) for who, files in found.items() if files}
        if told:
            self._pass_on(lambda: self._hear(told))
        return now

    def _tell_of_nothing(self, found: Survey) -> None:
        for who, each in self._wanted.items():
            if who and not any(map(each.match, found.files)):
                self._say(f"{who} watches nothing yet: no file matches its patterns")

    def _say(self, text: str) -> None:
        self._pass_on(lambda: self._note(text))

    def _pass_on(self, news: Callable[[], None]) -> None:
        """Have the loop do it. A full pipe wakes it as well as one byte more would."""
        self._news.append(news)
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            pass

    def _deliver(self) -> None:
        os.read(self._reader, 4096)
        while self._news and not self._over.is_set():
            self._news.popleft()()


def _wants_polling() -> bool:
    return os.environ.get(_POLLING, "").lower() not in ("", "0", "false", "disable", "disabled")


def _why(error: Exception) -> str:
    if "limit" in str(error):
        return "the kernel watches no more folders, fs.inotify.max_user_watches are reached"
    if "os error 24" in str(error):
        return "the kernel has no more watchers for this user, fs.inotify.max_user_instances are reached"
    return f"watchfiles cannot watch ({error})"
