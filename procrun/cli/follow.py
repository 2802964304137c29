"""Shows an operation of a run as it goes: each step with its time, then how it ended."""

from typing import Any

from procrun.cli.printing import show, show_json
from procrun.core.errors import NOT_READY
from procrun.core.events import EventKind
from procrun.core.events import step as in_words
from procrun.core.spec import STILL_ALIVE
from procrun.engines.base import Operation, Step
from procrun.eventloop import stderr


def follow(operation: Operation, as_json: bool = False, *, waits: bool = False, stops: bool = False) -> int:
    """Have it done, print the timeline while it happens (or, as JSON, at the end), and return the exit status.

    That is 1 when something did not come up, or could not be stopped; where it `waits` for all to be ready, NOT_READY
    where it runs and is not ready in time. What fails in one that `stops` is still there.
    """
    late: set[str] = set()
    outlived: set[str] = set()
    steps: list[dict[str, Any]] = []

    def take(step: Step) -> None:
        event = step.event
        name, what = event.name, event.what
        text = in_words(event) if what != EventKind.PLAN else event.detail
        late.discard(name)
        if what == EventKind.UNREADY:
            late.add(name)
        if what == EventKind.GONE and event.detail == STILL_ALIVE:
            outlived.add(name)
        steps.append({"at": step.at, **event._asdict(), "text": text})
        if as_json:
            return
        if what == EventKind.PLAN:
            show(f"{name} {text}")
        else:
            show(f"{step.at:6.2f} s  {name:<10}  {text}")

    done = operation(take)
    status = (NOT_READY if waits and late.issuperset(done.failed) else 1) if done.failed else 0
    if as_json:
        show_json({"steps": steps, "failed": done.failed, "notes": done.notes})
        return status
    for note in done.notes:
        stderr.tell(note)
    not_ready = [name for name in done.failed if name in late]
    left = [name for name in done.failed if name in outlived or stops]
    down = [name for name in done.failed if name not in late and name not in left]
    if not_ready:
        stderr.tell(f"runs, but was not ready in time: {', '.join(not_ready)}")
    if left:
        stderr.tell(f"could not be stopped, and something of it is still alive: {', '.join(left)}")
    if down:
        stderr.tell(f"did not come up: {', '.join(down)}; its output says why")
    return status
