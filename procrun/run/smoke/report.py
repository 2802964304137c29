"""The result of a smoke run as lines for people, as Markdown for a job's page, and as one JSON object for programs."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from procrun.core.events import duration
from procrun.core.tables import table
from procrun.output.ansi import bare
from procrun.output.json_stream import moment
from procrun.run.smoke.result import Command, Fault, Outcome, Result

_HEADERS = ("PROCESS", "READY AFTER", "RESTARTS", "SLOWEST STOP", "MEMORY", "ENDED")


def lines(result: Result, status: int) -> Iterator[str]:
    """A table of the instances, each fault with the last lines of output, and the verdict."""
    yield from table([_cells(outcome) for outcome in result.outcomes], _HEADERS).split("\n")
    if result.command is not None:
        yield f"command: {_command(result.command)}"
    for fault in result.faults:
        yield f"{fault.kind}: {fault.text}"
        yield from (f"    {_quoted(line)}" for line in fault.lines)
    yield verdict(result, status)


def _quoted(line: str) -> str:
    """A line of a process without its colours and cursor movements, which would be spelt out letter by letter."""
    return bare(line.encode(errors="replace")).decode(errors="replace")


def verdict(result: Result, status: int) -> str:
    """The whole of it in one line."""
    if result.interrupted:
        return f"smoke interrupted after {duration(result.seconds)}: {result.interrupted}"
    if result.faults:
        more = f" and {len(result.faults) - 1} more" if len(result.faults) > 1 else ""
        return f"smoke failed after {duration(result.seconds)}: {result.faults[0].text}{more}; exit {status}"
    count = len(result.outcomes)
    ready = f"{count} process{'es' * (count != 1)} ready after {duration(result.ready_after or 0.0)}"
    unwritten = f"; its report could not be written; exit {status}" if status else ""
    return f"smoke passed after {duration(result.seconds)}: {ready}{_slowest(result)}{unwritten}"


def markdown(result: Result, status: int) -> str:
    """The same for the page of a job, in GitHub's dialect."""
    from tabulate import tabulate

    rows = [[_code(outcome.name), *map(_escaped, _cells(outcome)[1:])] for outcome in result.outcomes]
    parts = [f"### {_escaped(verdict(result, status))}", tabulate(rows, _HEADERS, tablefmt="github", missingval="-")]
    if result.command is not None:
        parts.append(f"Command {_code(result.command.line)}: {_escaped(result.command.ended or 'not run')}")
    parts += [_fault(fault) for fault in result.faults]
    return "\n\n".join(parts) + "\n\n"


def as_json(result: Result, status: int, at: float) -> bytes:
    """One object on one line: the end of a stream of objects."""
    command = result.command
    found: dict[str, Any] = {
        "time": moment(at),
        "verdict": result.word,
        "status": status,
        "seconds": round(result.seconds, 3),
        "ready_after": _rounded(result.ready_after),
        "interrupted": result.interrupted or None,
        "faults": [
            {"kind": fault.kind, "instance": fault.name or None, "text": _plain(fault.text), "lines": list(fault.lines)}
            for fault in result.faults
        ],
        "processes": [
            {
                "name": outcome.name,
                "ready_after": _rounded(outcome.ready_after),
                "restarts": outcome.restarts,
                "slowest_stop": _rounded(outcome.slowest_stop),
                "memory": outcome.memory or None,
                "ended": outcome.ended,
            }
            for outcome in result.outcomes
        ],
        "command": None
        if command is None
        else {
            "line": _plain(command.line),
            "ended": command.ended or None,
            "status": command.status,
            "seconds": round(command.seconds, 3),
        },
    }
    return json.dumps(found, separators=(",", ":")).replace("##[", "#\\u0023[").encode() + b"\n"


def _plain(text: str) -> str:
    """Bytes of a command line that are no UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _cells(outcome: Outcome) -> list[str | None]:
    return [
        outcome.name,
        _time(outcome.ready_after),
        str(outcome.restarts),
        _time(outcome.slowest_stop),
        f"{outcome.memory / 2**20:.1f} MB" if outcome.memory else None,
        outcome.ended,
    ]


def _time(seconds: float | None) -> str | None:
    return duration(seconds) if seconds is not None else None


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds is not None else None


def _slowest(result: Result) -> str:
    """Nothing where everything had ended before it was stopped."""
    stops = [(outcome.slowest_stop, outcome.name) for outcome in result.outcomes if outcome.slowest_stop is not None]
    if not stops:
        return ""
    seconds, name = max(stops)
    return f", slowest stop {duration(seconds)} ({name})"


def _command(command: Command) -> str:
    took = f" after {duration(command.seconds)}" if command.status is not None else ""
    return f"{command.line}: {command.ended or 'not run'}{took}"


def _fault(fault: Fault) -> str:
    said = f"**{fault.kind}**: {_escaped(fault.text)}"
    return said if not fault.lines else f"{said}\n\n{_fenced(fault.lines)}"


def _fenced(lines: Sequence[str]) -> str:
    """A block of code whose fence no line of it can end."""
    fence = "`" * max(3, 1 + max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0))
    return "\n".join([fence, *lines, fence])


def _code(text: str) -> str:
    """A span of code on one line, since a line of its own could begin a list or a heading (2.4, 6.3)."""
    text = " ".join(text.split("\n"))
    fence = "`" * (text.count("`") + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _escaped(text: str | None) -> str:
    """Text that is no markup (GitHub Flavored Markdown, 2.4 and 6.1), on one line."""
    text = " ".join(text.split("\n")) if text else "-"
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~$&" else letter for letter in text)
