"""Shows a request to a running procrun as it goes: each step with its time, then how it ended."""

from collections.abc import Callable
from typing import Any

from procrun.cli.printing import show, show_json
from procrun.control.client import Run, ask
from procrun.control.protocol import Done, Progress, Request, Start, Stop, Turn
from procrun.core.errors import NOT_READY, ControlError
from procrun.core.events import EventKind, received, step
from procrun.core.spec import STILL_ALIVE
from procrun.eventloop.stderr import warn


def follow(run: Run, request: Request, as_json: bool = False, on_turn: Callable[[Turn], Request] | None = None) -> int:
    """Ask, print the timeline while it happens (or, as JSON, at the end), and return the exit status.

    That is 1 when something did not come up, or could not be stopped; with a Start that waits, NOT_READY where it runs
    and is not ready in time. `on_turn` is the client's own part of a deploy.
    """
    late: set[str] = set()
    outlived: set[str] = set()
    steps: list[dict[str, Any]] = []

    def take(progress: Progress) -> None:
        happening = received(progress.name, progress.what, progress.seconds, progress.detail, progress.pid)
        text = step(happening) if progress.what != EventKind.PLAN else progress.detail
        late.discard(progress.name)
        if progress.what == EventKind.UNREADY:
            late.add(progress.name)
        if progress.what == EventKind.GONE and progress.detail == STILL_ALIVE:
            outlived.add(progress.name)
        steps.append({"at": progress.at, **happening._asdict(), "text": text})
        if as_json:
            return
        if progress.what == EventKind.PLAN:
            show(f"{progress.name} {text}")
        else:
            show(f"{progress.at:6.2f} s  {progress.name:<10}  {text}")

    done = ask(run.path, request, on_progress=take, on_turn=on_turn)
    if not isinstance(done, Done):
        raise ControlError(f"the running procrun answered something else: {type(done).__name__}")
    waits = isinstance(request, Start) and request.wait
    status = (NOT_READY if waits and late.issuperset(done.failed) else 1) if done.failed else 0
    if as_json:
        show_json({"steps": steps, "failed": done.failed, "notes": done.notes})
        return status
    for note in done.notes:
        warn(note)
    not_ready = [name for name in done.failed if name in late]
    left = [name for name in done.failed if name in outlived or isinstance(request, Stop)]
    down = [name for name in done.failed if name not in late and name not in left]
    if not_ready:
        warn(f"runs, but was not ready in time: {', '.join(not_ready)}")
    if left:
        warn(f"could not be stopped, and something of it is still alive: {', '.join(left)}")
    if down:
        warn(f"did not come up: {', '.join(down)}; its output says why")
    return status
