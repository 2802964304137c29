"""honcho's exporters, its own and any third party's, found by their entry point and handed a plan."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from procrun.core.errors import ConfigError
from procrun.core.text import shown
from procrun.export.holding import refuse
from procrun.plan.layout import Plan

GROUP = "honcho_exporters"


class File(NamedTuple):
    """A file to write: its name in the folder, its text, and whether it is to be executable."""

    name: str
    content: str
    executable: bool


class Context(NamedTuple):
    """What honcho's exporters know besides the processes; `template_dir` replaces their own templates."""

    app: str
    log: str
    user: str
    shell: str
    template_dir: str | None = None


def formats() -> dict[str, EntryPoint]:
    """Every exporter that is installed, by the name of its format."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def render(plan: Plan, format_: str, context: Context) -> Iterable[File]:
    """The files of the plan in a format; nothing is written.

    Raises ConfigError for an unknown format, for what its files cannot hold, and for an exporter that fails (a template
    that is missing, say).
    """
    found = formats()
    if format_ not in found:
        raise ConfigError(f"no format {shown(format_)}; there are: {', '.join(found)}", "export")
    try:
        exporter = found[format_].load()(template_dir=context.template_dir)
        given = {**context._asdict(), "app_root": plan.sources.root}
        del given["template_dir"]
        processes = _processes(plan)
        refuse(plan, format_, given, processes)
        return [File(file.name, file.content, file.executable) for file in exporter.render(processes, given)]
    except ConfigError:
        raise
    except Exception as error:  # third-party code: whatever it raises is a fault of the export, not a crash of ours
        raise ConfigError(f"the {format_} exporter failed: {type(error).__name__}: {error}", "export") from error


def _processes(plan: Plan) -> list[Any]:
    """The specs as honcho's exporters expect them: with what the files set, not with this shell's variables."""
    from honcho.environ import ProcessParams

    variables = plan.sources.environment.variables
    shell_only = {name for name, variable in variables.items() if variable.source == "shell"} - {"PORT", "PS"}
    return [
        ProcessParams(spec.name, spec.command, spec.quiet, {k: v for k, v in spec.env.items() if k not in shell_only})
        for spec in plan.specs
    ]
