"""Shows a request to a running procrun as it goes: each step with its time, then how it ended."""

import json
from collections.abc import Callable
from typing import Any

import click

from procrun.client import Run, ask
from procrun.errors import ControlError
from procrun.messages import Done, Progress, Request, Turn
from procrun.model import Happening
from procrun.wording import step


def follow(run: Run, request: Request, as_json: bool = False, on_turn: Callable[[Turn], Request] | None = None) -> int:
    """Ask, print the timeline while it happens (or, as JSON, at the end), and return the exit status.

    That is 1 when something did not come up. `on_turn` is the client's own part of a deploy.
    """
    steps: list[dict[str, Any]] = []

    def show(progress: Progress) -> None:
        happening = Happening(progress.name, progress.what, progress.seconds, progress.detail, progress.pid)
        text = step(happening)
        steps.append({"at": progress.at, **happening._asdict(), "text": text})
        if not as_json:
            click.echo(f"{progress.at:6.2f} s  {progress.name:<10}  {text}")

    done = ask(run.path, request, on_progress=show, on_turn=on_turn)
    if not isinstance(done, Done):
        raise ControlError(f"the running procrun answered something else: {type(done).__name__}")
    if as_json:
        click.echo(json.dumps({"steps": steps, "failed": done.failed, "notes": done.notes}, indent=2))
        return 1 if done.failed else 0
    for note in done.notes:
        click.echo(f"procrun: {note}", err=True)
    if done.failed:
        click.echo(f"procrun: did not come up: {', '.join(done.failed)}; its output says why", err=True)
    return 1 if done.failed else 0
