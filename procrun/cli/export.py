"""`procrun export`: renders by an exporter, and writes what came of it."""

import os
from typing import Any

import click

from procrun.cli.click_options import one_of, takes
from procrun.cli.options import APP, FORMATION, PORT
from procrun.cli.printing import show
from procrun.core.errors import ConfigError
from procrun.eventloop import stderr
from procrun.export.registry import Context, File, formats, render
from procrun.plan.config import AUTO
from procrun.plan.layout import Plan, lay_out
from procrun.plan.options import Wishes
from procrun.plan.ports import BASE_PORT
from procrun.plan.sources import read


@click.command("export")
@takes(*APP, *PORT, *FORMATION)
@click.option("-a", "--app", help="The app's name; its folder's name otherwise.")
@click.option("-l", "--log", metavar="DIR", help="Where logs go; /var/log/APP otherwise.")
@click.option("-u", "--user", help="The user it runs as; the app's name otherwise.")
@click.option("-s", "--shell", default="/bin/sh", show_default=True, help="The shell that runs the commands.")
@click.option("-t", "--template-dir", metavar="DIR", help="Templates instead of the packaged ones.")
@click.argument("format_", metavar="FORMAT", shell_complete=one_of(*formats()))
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
def export_command(
    format_: str,
    folder: str,
    app: str | None,
    log: str | None,
    user: str | None,
    shell: str,
    template_dir: str | None,
    **wishes: Any,
) -> int:
    """Write the formation as systemd, upstart, supervisord or runit files into DIR.

    honcho's exporters do it, with honcho's options, and any other exporter that is installed for honcho.
    """
    plan = _for_elsewhere(Wishes(**wishes))
    name = app or os.path.basename(plan.sources.root) or "app"
    context = Context(name, log or f"/var/log/{name}", user or name, shell, template_dir)
    for file in render(plan, format_, context):
        show(_write(folder, file))
    stderr.tell("stop sequences and budgets are not carried over to the exported files yet; set them there by hand")
    return 0


def _for_elsewhere(wishes: Wishes) -> Plan:
    """The plan, without the port that this checkout has for itself: the files are for another place."""
    sources = read(wishes, os.environ)
    if sources.config.port == AUTO:
        sources = sources._replace(config=sources.config._replace(port=None))
        if lay_out(sources, wishes).base_port == BASE_PORT:
            stderr.tell(f'port = "{AUTO}" is for this checkout alone; the files have {BASE_PORT}, and -p gives another')
    return lay_out(sources, wishes)


export_command.epilog = f"Formats: {', '.join(formats())}"


def _write(folder: str, file: File) -> str:
    path = os.path.join(folder, file.name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as target:
            target.write(file.content)
        if file.executable:
            os.chmod(path, 0o755)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", path) from None
    return path
