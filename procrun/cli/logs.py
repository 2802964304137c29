"""What the processes have written, and what they write: logs."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from threading import Lock, Thread
from typing import Any

import click

from procrun.choice import matching
from procrun.cli import appearance
from procrun.cli.click_options import process_names, takes
from procrun.cli.control import root_of
from procrun.cli.options import APP, JSON, LOOK, Option
from procrun.client import VanishedError, ask, find
from procrun.config import load
from procrun.errors import NoRunError
from procrun.jsonlines import lines_as_json
from procrun.messages import Logs, More, Output, Request, Turn, Written
from procrun.prefix import Prefix, put
from procrun.reading import last_lines
from procrun.tame import tame
from procrun.values import regex

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _since(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found:
        return time.time() - int(found[1]) * _UNITS[found[2]]
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is no time; give one as in 90s, 5m, 2h, 1d, or 2026-11-22T14:00') from None


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f'"{text}" is no number of lines; give one as in 100')
    return int(text)


_WHERE = tuple(o._replace(flags=("--procfile",)) if o.name == "procfile" else o for o in APP)
_OPTIONS = (
    Option("follow", ("-f", "--follow"), None, bool, "Go on with what comes, until Ctrl-C."),
    Option("last", ("-n", "--lines"), "N", _count, "The last N lines; with -f 10, where nothing else is said."),
    Option("since", ("--since",), "TIME", _since, "What came in the last 90s, 5m, 2h, 1d, or since 2026-11-22T14:00."),
    Option("grep", ("--grep",), "REGEX", regex, "Only lines in which this is found (Python's re)."),
)


@click.command("logs")
@takes(*_WHERE, *_OPTIONS, *LOOK, *JSON)
@click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=process_names)
def logs_command(
    names: tuple[str, ...],
    follow: bool,
    last: int | None,
    since: float | None,
    grep: re.Pattern[bytes] | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Show what the processes have written: all that is kept, or what the options choose.

    A run keeps the last 1 MiB of each instance in memory. With log_dir in procrun.toml the log files are read, also
    when nothing runs. The Procfile is --procfile here, since -f follows.
    """
    root = root_of({key: values[key] for key in ("procfile", "env_files", "app_root")})
    folder = load(root).log_dir
    try:
        there = find(root, names)
    except NoRunError:
        if folder is None or follow:
            raise
        there = []
    if follow and last is None and since is None:
        last = 10
    shown = _Shown(values, [name for run, _ in there for name in run.states] or names, as_json)
    begun = time.time()
    if folder is not None:
        shown.show(_last(_from_files(os.path.join(root, folder), names, since, grep), last))
        since, last = begun, None
    pattern = grep.pattern.decode(errors="surrogateescape") if grep is not None else None
    if follow:
        _follow([run.path for run, _ in there], Logs(list(names), last, since, pattern, follow=True), shown)
    elif folder is None:
        requests = [(run.path, Logs(chosen, last, since, pattern)) for run, chosen in there]
        pieces = [piece for path, request in requests for piece in _ask(path, request)]
        shown.show(_last(sorted(pieces, key=lambda piece: piece.at), last))
    return 0


def _ask(path: str, request: Logs) -> list[Written]:
    """All that a run answers."""
    found: list[Written] = []

    def take(turn: Turn) -> Request:
        if isinstance(turn, Output):
            found.extend(turn.pieces)
        return More()

    ask(path, request, on_turn=take)
    return found


def _follow(paths: Sequence[str], request: Logs, shown: "_Shown") -> None:
    """Show what comes from each of the runs, until all have ended."""

    def read(path: str) -> None:
        def take(turn: Turn) -> Request:
            if isinstance(turn, Output):
                shown.show(turn.pieces)
            return More()

        try:
            ask(path, request, on_turn=take)
        except VanishedError:
            pass  # the run is over, and so is what can be followed

    threads = [Thread(target=read, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _from_files(
    folder: str, names: Sequence[str], since: float | None, grep: re.Pattern[bytes] | None
) -> Iterator[Written]:
    """The lines of the log files, oldest first."""
    from procrun.logfile import read

    files = sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".log")) if os.path.isdir(folder) else []
    wanted = [type_ for type_ in files if not names or any(type_ in (name, name.rpartition(".")[0]) for name in names)]
    for at, name, line in merge(*(read(folder, type_) for type_ in wanted)):
        named = not names or name in names or name.rpartition(".")[0] in names
        if named and (since is None or at >= since) and matching(grep, line):
            yield Written(at, name, line)


def _last(pieces: Iterable[Written], count: int | None) -> Sequence[Written]:
    return list(pieces) if count is None else last_lines(list(pieces), count)


class _Shown:
    """Prints pieces, with prefixes or as JSON; those of several runs may come from threads of their own."""

    def __init__(self, values: dict[str, Any], names: Sequence[str], as_json: bool) -> None:
        self._look = appearance.look(values, names)
        self._prefix = Prefix(self._look)
        self._as_json = as_json
        self._lock = Lock()

    def show(self, pieces: Sequence[Written]) -> None:
        """Print them, at once."""
        with self._lock:
            for piece in pieces:
                sys.stdout.buffer.write(self._text(piece))
            sys.stdout.buffer.flush()

    def _text(self, piece: Written) -> bytes:
        if self._as_json:
            return lines_as_json(piece.name, "output", piece.lines, piece.at)
        lines = tame(piece.lines) if self._look.tame else piece.lines
        return put(self._prefix.before(piece.name, piece.at), lines)
