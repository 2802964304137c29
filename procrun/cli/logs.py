"""What the processes have written, and what they write: logs."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice, takewhile
from typing import Any

import click
from msgspec.structs import replace

from procrun.cli.click_options import process_names, takes
from procrun.cli.control import root_of
from procrun.cli.many_runs import hear
from procrun.cli.options import APP, JSON_LINES, LOOK, Option
from procrun.cli.printing import put_out
from procrun.control.protocol import Logs, Output, Written
from procrun.core.errors import ConfigError, ControlError
from procrun.core.text import matching, plain, there_are
from procrun.core.values import UNITS, regex
from procrun.engines.base import Run
from procrun.engines.local import Local
from procrun.eventloop import stderr
from procrun.output import appearance, log_reader
from procrun.output.ansi import tame
from procrun.output.json_stream import lines_as_json
from procrun.output.log_reader import Logged
from procrun.output.prefix import OURS, Prefix, put
from procrun.plan.config import load

_FOLLOWED = 10
"""Lines that stand before what comes, where nothing else is said."""

AT_ONCE = 1000
"""Lines of files that are written together."""


def _since(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found:
        return time.time() - int(found[1]) * UNITS[found[2]]
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        text = plain(text)
        raise ValueError(f'"{text}" is no time; give one as in 90s, 5m, 2h, 1d, or 2026-11-22T14:00') from None


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f'"{plain(text)}" is no number of lines; give one as in 100')
    return int(text)


_WHERE = tuple(o._replace(flags=("--procfile",)) if o.name == "procfile" else o for o in APP)
_OPTIONS = (
    Option("follow", ("-f", "--follow"), None, bool, "Go on with what comes, until Ctrl-C."),
    Option("last", ("-n", "--lines"), "N", _count, "The last N lines; with -f 10, where nothing else is said."),
    Option("since", ("--since",), "TIME", _since, "What came in the last 90s, 5m, 2h, 1d, or since 2026-11-22T14:00."),
    Option("grep", ("--grep",), "REGEX", regex, "Only lines in which this is found (Python's re)."),
)


@click.command("logs")
@takes(*_WHERE, *_OPTIONS, *LOOK, *JSON_LINES)
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
    begun = time.time()  # a run that answers after this has what came before in its files
    there = Local(root).runs()
    folder = _log_dir(root, there)
    files = os.path.join(root, folder) if folder is not None else None
    _see_to(root, names, there, files, follow)
    if follow and last is None and since is None:
        last = _FOLLOWED
    shown = _Shown(values, _known(there, files), as_json)
    if files is not None:
        shown.show(_from_files(files, names, since, grep, last, begun if follow else None))
        since, last = begun, None
    if files is None or follow:
        request = Logs(list(names), last if grep is None else None, since, follow)
        for pieces in _from_runs(there, request, grep, last):
            shown.show(pieces)
    return 0


def _log_dir(root: str, there: Sequence[Run]) -> str | None:
    """Where log files are; where something runs a fault in `procrun.toml` is no reason not to show what it wrote."""
    try:
        return load(root).log_dir
    except ConfigError as error:
        if not there:
            raise
        stderr.tell(f"{error}; so log files are left out")
        return None


def _see_to(root: str, names: Sequence[str], there: Sequence[Run], files: str | None, follow: bool) -> None:
    """Raises NoRunError where there is nothing to read, ControlError for a name that neither runs nor files have."""
    if not there and (files is None or follow):
        raise Local(root).nothing_runs()
    known = {known for name in _known(there, files) for known in (name, name.rpartition(".")[0] or name)}
    types = log_reader.types(files) if files is not None else []
    for name in names:
        if name not in known and name.rpartition(".")[0] not in types:
            raise ControlError(f'no process "{plain(name)}" here{there_are(sorted(known), name)}', 2)


def _known(there: Sequence[Run], files: str | None) -> list[str]:
    """The instances and types there may be lines of."""
    types = log_reader.types(files) if files is not None else []
    return [OURS, *types, *(name for run in there for name in run.states)]


def _from_files(
    folder: str,
    names: Sequence[str],
    since: float | None,
    grep: re.Pattern[bytes] | None,
    last: int | None,
    until: float | None,
) -> Iterator[Written]:
    """The lines of the log files, oldest first: the last `last`, or all from `since` on, and before `until`."""

    def wanted(lines: Iterable[Logged]) -> Iterator[Written]:
        for at, name, line in lines:
            named = not names or name in names or name.rpartition(".")[0] in names
            if named and (until is None or at < until) and matching(grep, line):
                yield Written(at, name, line, OURS if name == OURS else "output")

    types = [type_ for type_ in log_reader.types(folder) if not names or _of(type_, names)]
    try:
        if last is None:
            yield from wanted(merge(*(log_reader.read(folder, type_, since or 0.0) for type_ in types), key=_at))
        else:
            back = merge(*(log_reader.read_back(folder, type_) for type_ in types), key=_at, reverse=True)
            recent = takewhile(lambda line: since is None or line.at >= since, back)
            yield from reversed(list(islice(wanted(recent), last)))
    except OSError as error:
        raise ControlError(f"{error.filename or folder}: {error.strerror}") from None


def _of(type_: str, names: Sequence[str]) -> bool:
    return any(type_ in (name, name.rpartition(".")[0]) for name in names)


def _at(line: Logged) -> float:
    return line.at


def _from_runs(
    there: Sequence[Run], request: Logs, grep: re.Pattern[bytes] | None, last: int | None
) -> Iterator[Iterable[Written]]:
    """What runs answer: first all that is kept, or the last `last` lines of it, then what comes, as it comes."""
    names = {run: [name for name in request.names if name == OURS or run.holds(name)] for run in there}
    asked = [run for run in there if names[run] or not request.names]

    def listen(run: Run, tell: Callable[[tuple[Run, Output | None]], None]) -> None:
        try:
            run.logs(replace(request, names=names[run]), lambda output: tell((run, output)))
        finally:
            tell((run, None))

    kept: list[Written] = []
    waiting = set(asked)
    for run, output in hear(asked, listen):
        pieces = _matching(grep, output.pieces) if output is not None else []
        if run in waiting and (output is None or output.live):
            waiting.remove(run)
            if not waiting:
                kept.sort(key=lambda piece: piece.at)
                yield kept if last is None else _last_lines(kept, last)
        if waiting:
            kept += pieces
        else:
            yield pieces


def _matching(grep: re.Pattern[bytes] | None, pieces: Iterable[Written]) -> list[Written]:
    found = (replace(piece, lines=matching(grep, piece.lines)) for piece in pieces)
    return [piece for piece in found if piece.lines]


def _last_lines(pieces: Sequence[Written], count: int) -> Iterable[Written]:
    """The last `count` lines of them all."""
    found: list[Written] = []
    for piece in reversed(pieces):
        if count <= 0:
            break
        lines = piece.lines[:-1].split(b"\n")[-count:]
        count -= len(lines)
        found.append(replace(piece, lines=b"\n".join(lines) + b"\n"))
    return reversed(found)


class _Shown:
    """Puts pieces out, with prefixes or as JSON."""

    def __init__(self, values: dict[str, Any], names: Iterable[str], as_json: bool) -> None:
        self._look = appearance.look(values, names)
        self._prefix = Prefix(self._look)
        self._as_json = as_json

    def show(self, pieces: Iterable[Written]) -> None:
        """Put them out, many small ones at once."""
        waiting: list[bytes] = []
        for piece in pieces:
            waiting.append(self._text(piece))
            if len(waiting) == AT_ONCE:
                put_out(b"".join(waiting))
                waiting.clear()
        put_out(b"".join(waiting))

    def _text(self, piece: Written) -> bytes:
        if self._as_json:
            return lines_as_json(piece.name, piece.stream, piece.lines, piece.at)
        lines = tame(piece.lines) if self._look.tame else piece.lines
        if piece.name == OURS and not self._look.prefix:
            return put(b"procrun: ", lines)
        return put(self._prefix.before(piece.name, piece.at), lines)
