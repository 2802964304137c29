"""The runners that are compared, and how each is told what to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

PROCRUN = "procrun"
RAW = "raw"
CAT = "cat"

SUPERVISORD = """\
[supervisord]
nodaemon = true
logfile = /dev/null
logfile_maxbytes = 0
pidfile = supervisord.pid
"""
SUPERVISOR_PROGRAM = """\
[program:{entry.type}]
command = {entry.command}
process_name = %(program_name)s_%(process_num)d
numprocs = {entry.count}
redirect_stderr = true
stdout_logfile = /dev/fd/1
stdout_logfile_maxbytes = 0
"""
CIRCUS = """\
[circus]
endpoint = ipc://circus.endpoint
pubsub_endpoint = ipc://circus.pubsub
"""
CIRCUS_WATCHER = """\
[watcher:{entry.type}]
cmd = {entry.command}
numprocesses = {entry.count}
warmup_delay = 0
copy_env = true
stdout_stream.class = FancyStdoutStream
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the Procfile, and how many of it are started."""

    type: str
    command: str
    count: int


def _no_files(_entries: Sequence[Entry]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Runner:
    """One installed runner; `start` makes its command for a folder in which a Procfile has these entries.

    `kills_after` is its default of seconds between TERM and KILL; None where it never sends KILL, or where that is
    not measured. `files` makes those that it reads besides, by name. `reads_procfile` says whether it is a Procfile
    runner, `prefixes` whether its lines say whose they are.
    """

    name: str
    version: str
    start: Callable[[Sequence[Entry]], list[str]]
    kills_after: float | None = None
    files: Callable[[Sequence[Entry]], Mapping[str, str]] = _no_files
    reads_procfile: bool = True
    prefixes: bool = True


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A runner that cannot take part here, and why."""

    name: str
    reason: str


def procrun(version: str, program: str) -> Runner:
    """Our own."""
    return Runner(PROCRUN, version, lambda entries: [program, "start", "-f", "Procfile", "-m", _sizes(entries)], 10.0)


def honcho(version: str, program: str) -> Runner:
    """Python, from PyPI. Its seconds (KILL_WAIT, manager.py) count from the end of the first child that ends."""
    return Runner("honcho", version, lambda entries: [program, "start", "-f", "Procfile", "-c", _sizes(entries)], 5.0)


def foreman(version: str, program: str) -> Runner:
    """Ruby, from Debian or RubyGems. Its seconds are those of its option `-t`."""
    return Runner("foreman", version, lambda entries: [program, "start", "-f", "Procfile", "-m", _sizes(entries)], 5.0)


def nf(version: str, program: str) -> Runner:
    """JavaScript, from npm, where it is called foreman too."""
    return Runner("nf", version, lambda entries: [program, "start", "-j", "Procfile", _sizes(entries)])


def concurrently(version: str, program: str) -> Runner:
    """JavaScript, from npm. It gets the commands as arguments."""
    return Runner("concurrently", version, lambda entries: [program, *_each(entries)], reads_procfile=False)


def supervisor(version: str, program: str) -> Runner:
    """Python, from PyPI. It hands on what it reads as it is, without a prefix."""

    def files(entries: Sequence[Entry]) -> Mapping[str, str]:
        return {"supervisord.conf": SUPERVISORD + "".join(SUPERVISOR_PROGRAM.format(entry=one) for one in entries)}

    command = [program, "--configuration", "supervisord.conf"]
    return Runner("supervisor", version, lambda _: command, files=files, reads_procfile=False, prefixes=False)


def circus(version: str, program: str) -> Runner:
    """Python, from PyPI. Of its two streams to stdout this is the one with time and pid before a line."""

    def files(entries: Sequence[Entry]) -> Mapping[str, str]:
        return {"circus.ini": CIRCUS + "".join(CIRCUS_WATCHER.format(entry=one) for one in entries)}

    return Runner("circus", version, lambda _: [program, "circus.ini"], files=files, reads_procfile=False)


def raw() -> Runner:
    """The limit: no runner, the children write into one shared pipe themselves."""
    return _shell(RAW, "{} & ")


def cat() -> Runner:
    """What any relay takes at least: a cat(1) for each child, all into one pipe, with no prefix and no supervision."""
    return _shell(CAT, "{} | cat & ")


def _shell(name: str, each: str) -> Runner:
    """No runner but a shell, which runs `each` with the command of every instance in it."""

    def command(entries: Sequence[Entry]) -> list[str]:
        return ["/bin/sh", "-c", "".join(each.format(words) for words in _each(entries)) + "wait"]

    return Runner(name, "", command, reads_procfile=False, prefixes=False)


def _sizes(entries: Sequence[Entry]) -> str:
    """The formation, such as `web=1,worker=2`."""
    return ",".join(f"{entry.type}={entry.count}" for entry in entries)


def _each(entries: Sequence[Entry]) -> list[str]:
    """The command of every instance."""
    return [entry.command for entry in entries for _ in range(entry.count)]
