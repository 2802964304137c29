"""What happens to the processes, for scripts: events, wait."""

import time
from collections.abc import Callable
from typing import Any

import click

from procrun.cli.click_options import process_names, takes
from procrun.cli.control import engine_of
from procrun.cli.many_runs import hear
from procrun.cli.options import APP, JSON_LINES, Option
from procrun.cli.printing import put_out
from procrun.core.events import Event
from procrun.core.events import step as in_words
from procrun.core.text import clean
from procrun.core.values import seconds
from procrun.engines.base import Run, Step
from procrun.eventloop import stderr
from procrun.output.json_stream import event_as_json

_UNTIL = ("ready", "exit")
_SHORTEST = 0.001
"""Seconds that are left where none is."""


def _until(text: str) -> str:
    if text not in _UNTIL:
        raise ValueError(f'"{text}" is nothing to wait for; there are: {", ".join(_UNTIL)}')
    return text


_WAIT = (
    Option("until", ("--for",), "WHAT", _until, "ready (else), or exit: ended, and not started again.", words=_UNTIL),
    Option("timeout", ("-t", "--timeout"), "SECONDS", seconds, "Give up after so long; exit 124 then."),
)


@click.command("events")
@takes(*APP, *JSON_LINES)
@click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=process_names)
def events_command(names: tuple[str, ...], as_json: bool, **where: Any) -> int:
    """Print what happens to the processes as it happens, until the run is over or Ctrl-C.

    With --json one object a line: time, instance, event, pid, seconds, detail.
    """
    found = engine_of(where).find(names)
    chosen = dict(found)

    def watch(run: Run, tell: Callable[[bytes], None]) -> None:
        begun = time.time()

        def show(step: Step) -> None:
            at = begun + step.at
            tell(event_as_json(step.event, at) if as_json else _line(step.event, at))

        run.watch(chosen[run], show)

    for text in hear([run for run, _ in found], watch):
        put_out(text)
    return 0


def _line(event: Event, at: float) -> bytes:
    text = f"{time.strftime('%H:%M:%S', time.localtime(at))} {event.name:<10}  {in_words(event)}"
    return clean(text).encode() + b"\n"


@click.command("wait")
@takes(*APP, *_WAIT)
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=process_names)
def wait_command(names: tuple[str, ...], until: str | None, timeout: float | None, **where: Any) -> int:
    """Wait until a process type or an instance is ready, or has ended.

    Exits with 0 when all are so, 1 when one ended instead of being ready, 124 when it took too long.
    """
    end = time.monotonic() + timeout if timeout is not None else None
    failed: list[str] = []
    for run, chosen in engine_of(where).find(names, timeout):
        left = max(_SHORTEST, end - time.monotonic()) if end is not None else None
        failed += run.wait(chosen, "exit" if until == "exit" else "ready", left).failed
    if failed:
        stderr.tell(f"ended, or not ready in time: {', '.join(failed)}; `procrun ps` and its output tell more")
    return 1 if failed else 0
