"""What happens to the processes, for scripts: events, wait."""

import time
from collections.abc import Callable
from typing import Any

import click

from procrun.cli.click_options import process_names, takes
from procrun.cli.control import root_of
from procrun.cli.many_runs import hear
from procrun.cli.options import APP, JSON_LINES, Option
from procrun.cli.printing import put_out
from procrun.control.client import HELLO_TIMEOUT, Run, ask, find
from procrun.control.protocol import Done, Progress, Wait, Watch
from procrun.core.errors import ControlError
from procrun.core.events import Happening, received, step
from procrun.core.text import clean
from procrun.core.values import seconds
from procrun.eventloop.stderr import warn
from procrun.output.json_stream import event_as_json

_UNTIL = ("ready", "exit")
_SHORTEST = 0.001
"""Seconds that are left where none is."""

_ANSWER = 1.0
"""Seconds that the run has to say that the time is over."""


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
    found = find(root_of(where), names)
    chosen = {run.path: mine for run, mine in found}

    def watch(run: Run, tell: Callable[[bytes], None]) -> None:
        begun = time.time()

        def show(progress: Progress) -> None:
            happening = received(progress.name, progress.what, progress.seconds, progress.detail, progress.pid)
            at = begun + progress.at
            tell(event_as_json(happening, at) if as_json else _line(happening, at))

        ask(run.path, Watch(chosen[run.path]), on_progress=show)

    for text in hear([run for run, _ in found], watch):
        put_out(text)
    return 0


def _line(happening: Happening, at: float) -> bytes:
    text = f"{time.strftime('%H:%M:%S', time.localtime(at))} {happening.name:<10}  {step(happening)}"
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
    for run, chosen in find(root_of(where), names, min(timeout or HELLO_TIMEOUT, HELLO_TIMEOUT)):
        left = max(_SHORTEST, end - time.monotonic()) if end is not None else None
        wait = Wait(chosen, "exit" if until == "exit" else "ready", left)
        done = ask(run.path, wait, timeout=None if left is None else left + _ANSWER)
        if not isinstance(done, Done):
            raise ControlError(f"the running procrun answered something else: {type(done).__name__}")
        failed += done.failed
    if failed:
        warn(f"ended, or not ready in time: {', '.join(failed)}; `procrun ps` and its output tell more")
    return 1 if failed else 0
