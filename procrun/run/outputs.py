"""What the output of a run goes through, as options and configuration say: stream, log files, annotations."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from procrun.core.errors import ConfigError
from procrun.core.events import Event
from procrun.eventloop import stderr
from procrun.eventloop.loop import Loop
from procrun.output import github_actions
from procrun.output.backlog import Backlog
from procrun.output.filter import Choice
from procrun.output.github_actions import Workflow
from procrun.output.prefix import OURS, Look
from procrun.output.router import Outlet
from procrun.output.stdout_writer import Sink
from procrun.output.stream import Stream
from procrun.plan.layout import Plan

if TYPE_CHECKING:
    from procrun.output.json_stream import JsonStream
    from procrun.output.log_files import Archive


class Outputs(NamedTuple):
    """`outlet` takes all lines, `event` what happens, where the stream is for programs; `workflow` is GitHub's.

    `raw` puts a whole line into the stream as it is.
    """

    sink: Sink
    outlet: Outlet
    backlog: Backlog
    archive: "Archive | None"
    event: Callable[[Event], None]
    workflow: Workflow | None
    raw: Callable[[bytes], None]


def outputs(loop: Loop, made: Plan, look: Look, values: dict[str, Any]) -> Outputs:
    """Everything between instances and standard output. Raises ConfigError where there can be no log files."""
    backlog = Backlog()
    archive = _archive(loop, made, lambda: outlet.drained())
    sink = Sink(loop, 1, lambda: outlet.drained(), stderr.tell, lambda lost: stream.mark(lost))
    stream = _stream(sink, look, values)
    event = _nothing if isinstance(stream, Stream) else stream.event
    workflow = Workflow(stream.raw) if isinstance(stream, Stream) and github_actions.runs_here(os.environ) else None
    choice = Choice(made.only, made.quiet, values["grep"], lambda text: outlet.say(text))
    outlet = Outlet(stream, choice)
    outlet.taps.append(backlog.add)
    if archive is not None:
        outlet.taps.append(archive.add)
        outlet.brakes.append(lambda: archive.full)
    return Outputs(sink, outlet, backlog, archive, event, workflow, stream.raw)


def _stream(sink: Sink, look: Look, values: dict[str, Any]) -> "Stream | JsonStream":
    if values["as_json"]:
        from procrun.output.json_stream import JsonStream

        return JsonStream(sink)
    return Stream(sink, look, terminal=os.isatty(1))


def _archive(loop: Loop, made: Plan, on_drain: Callable[[], None]) -> "Archive | None":
    """What writes log files, where they are wanted."""
    config = made.sources.config
    if config.log_dir is None:
        return None
    from procrun.output.log_files import Archive, Rotation

    folder = os.path.join(made.sources.root, config.log_dir)
    rotation = Rotation(config.log_size, config.log_keep, config.log_rotate)
    types = [OURS, *(entry.name for entry in made.types)]
    try:
        return Archive(loop, folder, rotation, types, stderr.tell, on_drain)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror}", f"{config.where}: log_dir") from None


def _nothing(event: Event) -> None:
    """People read of it in procrun's own lines."""
