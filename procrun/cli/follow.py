"""Shows a request to a running procrun as it goes: each step with its time, then how it ended."""

import click

from procrun.client import Run, ask
from procrun.errors import ControlError
from procrun.messages import Done, Progress, Request
from procrun.model import Happening
from procrun.wording import step


def follow(run: Run, request: Request) -> int:
    """Ask, print the timeline while it happens, and return the exit status: 1 when something did not come up."""
    done = ask(run.path, request, on_progress=_show)
    if not isinstance(done, Done):
        raise ControlError(f"the running procrun answered something else: {type(done).__name__}")
    for note in done.notes:
        click.echo(f"procrun: {note}", err=True)
    if done.failed:
        click.echo(f"procrun: did not come up: {', '.join(done.failed)}; its output says why", err=True)
    return 1 if done.failed else 0


def _show(progress: Progress) -> None:
    happening = Happening(progress.name, progress.what, progress.seconds, progress.detail, progress.pid)
    click.echo(f"{progress.at:6.2f} s  {progress.name:<10}  {step(happening)}")
