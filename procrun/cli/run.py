"""One command in the app's environment, on this terminal: run, release."""

import errno
import os
import shutil
import signal
from collections.abc import Mapping
from typing import Any, NoReturn

import click

from procrun.cli.click_options import process_names, takes
from procrun.cli.options import APP, PORT
from procrun.core.errors import CommandError, ConfigError
from procrun.eventloop import stderr
from procrun.plan import findings
from procrun.plan.layout import lay_out
from procrun.plan.options import Wishes
from procrun.plan.policies import RELEASE
from procrun.plan.programs import command_line
from procrun.plan.sources import Sources, read


@click.command("run", context_settings={"allow_interspersed_args": False})
@takes(*APP, *PORT)
@click.argument(
    "words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD|NAME [ARG]…", shell_complete=process_names
)
def run_command(words: tuple[str, ...], **wishes: Any) -> int:
    """Run a command, or one entry of the Procfile by its NAME, in the app's environment and on this terminal.

    Everything after the first word belongs to the command. A single word with blanks or shell signs is given to
    sh: procrun run 'echo $HOME'. The exit status is the command's; 127 when it is not found, 126 when it cannot be
    executed.
    """
    sources = read(Wishes(**wishes), os.environ, required=False)
    _warn(sources)
    if len(words) == 1 and words[0] in [entry.name for entry in sources.entries]:
        _entry(sources, words[0], wishes)
    env = {name: variable.value for name, variable in sources.environment.variables.items()}
    if wishes["port"] is not None:
        env["PORT"] = str(wishes["port"])
    argv = ["/bin/sh", "-c", command_line.exec_line(words[0])] if command_line.is_line(words) else list(words)
    if wishes["app_root"]:
        os.chdir(sources.root)
    try:
        _become(argv, {**env, "PS": "run.1"})
    except CommandError as error:
        if words[0] in [entry.name for entry in sources.entries]:
            text = f"{error}; to run the entry {words[0]} give its name alone, it takes no arguments"
            raise CommandError(text, error.exit_status) from None
        raise


@click.command("release")
@takes(*APP)
def release_command(**wishes: Any) -> int:
    """Run the release entry (migrations …) once, on this terminal, as Heroku does at each release."""
    sources = read(Wishes(**wishes), os.environ)
    _warn(sources)
    if RELEASE not in [entry.name for entry in sources.entries]:
        raise ConfigError("there is no release entry; add one, as in `release: bin/migrate`", sources.procfile)
    _entry(sources, RELEASE, wishes)


def _entry(sources: Sources, name: str, wishes: dict[str, Any]) -> NoReturn:
    spec = lay_out(sources, Wishes(**wishes, names=(name,))).specs[0]
    os.chdir(spec.root)
    _become(["/bin/sh", "-c", spec.shell_line], spec.env)


def _warn(sources: Sources) -> None:
    for line in findings.lines(findings.unaccepted(sources.findings, sources.config)):
        stderr.tell(line)


def _become(argv: list[str], env: Mapping[str, str]) -> NoReturn:
    """Hand the terminal, the pid and the signals over. Raises CommandError (127, 126) when that cannot be."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and exec passes that on
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        if error.errno == errno.ENOEXEC:  # a script without #!, which execvp(3) and the shells give to sh
            os.execve("/bin/sh", ["/bin/sh", "-c", 'exec "$0" "$@"', *argv], env)
        missing = isinstance(error, FileNotFoundError)
        if missing and not shutil.which(argv[0], os.F_OK, env.get("PATH")):
            raise CommandError(f"{argv[0]}: command not found", 127) from None
        why = "the interpreter in its first line does not exist" if missing else error.strerror
        raise CommandError(f"{argv[0]}: cannot be executed: {why}", 126) from None
