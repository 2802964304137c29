"""The command group: commands load when they are used, options stand before or after them."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from procrun import __version__
from procrun.cli.click_options import parameters, process_names
from procrun.cli.errors import told
from procrun.cli.options import START, Option, by_flag
from procrun.cli.printing import show, show_lines
from procrun.cli.start import start
from procrun.core.text import shown, there_are
from procrun.eventloop import stderr

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What a write says where there is no room, no terminal any more, or nothing open to be written to."""

COMMANDS = {
    "start": "main",
    "restart": "control",
    "reload": "control",
    "stop": "control",
    "scale": "control",
    "ps": "control",
    "logs": "logs",
    "attach": "attach",
    "events": "events",
    "wait": "events",
    "quiet": "deploy",
    "deploy": "deploy",
    "signal": "deploy",
    "chaos": "chaos",
    "smoke": "smoke",
    "run": "run",
    "release": "run",
    "check": "check",
    "env": "check",
    "export": "export",
    "doctor": "doctor",
    "version": "main",
    "help": "main",
}
"""Each command, in the order `--help` shows them, with the module of procrun.cli that has it."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"procrun.cli.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, f"{cmd_name}_command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            ctx.fail(_unknown(args[0]))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, command_first(args) or ["--help"])

    def invoke(self, ctx: click.Context) -> Any:
        return told(lambda: int(super(_Commands, self).invoke(ctx) or 0))


def run() -> int:
    """Run the command line; the exit status. A fault of usage is one line, and so is an output that takes nothing."""
    if sys.stdout is None:  # closed: `>&-`
        # Whoever prints is told so: it can be opened, and takes nothing. For as long as we live.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = open(1, "w")  # noqa: SIM115
    try:
        status = int(procrun.main(prog_name="procrun", standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python says it once more at its end
        stderr.tell(f"standard output takes nothing more ({error.strerror})")
        return 1
    except click.UsageError as error:
        text = error.format_message().removesuffix(".")
        stderr.tell(f"{text}; `{_at_fault(error)} --help` tells more")
        return error.exit_code
    except click.ClickException as error:
        stderr.tell(error.format_message())
        return error.exit_code
    except click.Abort:
        return 128 + signal.SIGINT


def _unknown(command: str) -> str:
    return f"no command {shown(command)}{there_are(COMMANDS, command)}"


def _at_fault(error: click.UsageError) -> str:
    """The command whose help tells more; click does not say it of an option that lacks its value."""
    if error.ctx is not None:
        return error.ctx.command_path
    return " ".join(["procrun", *(word for word in command_first(sys.argv[1:])[:1] if word in COMMANDS)])


def command_first(args: Sequence[str]) -> list[str]:
    """`-f FILE start web` as `start -f FILE web`: options may stand before the command, its own included."""
    known = by_flag(START)
    index, unknown = 0, False
    while index < len(args):
        argument = args[index]
        if argument in COMMANDS or not (argument.startswith("-") or unknown):
            # -f is the Procfile wherever it stands before the command; behind `logs` it is something else.
            before = ["--procfile" if word == "-f" else word for word in args[:index]]
            return [argument, *before, *args[index + 1 :]]
        option = known.get(argument)
        # What stands behind an option that start has not may be its value, as in `-a myapp export`.
        unknown = option is None and "=" not in argument and argument[:2] not in known
        valued = option is not None and option.metavar is not None and not _is_bare(option, args[index + 1 :])
        index += 2 if valued else 1
    return list(args)


def _is_bare(option: Option, rest: Sequence[str]) -> bool:
    """Whether it stands without its value before the command: `--pty start`."""
    return option.bare is not None and bool(rest) and rest[0] in COMMANDS


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="procrun", message="%(prog)s %(version)s")
def procrun() -> None:
    """Run the processes of a Procfile: one prefixed stream, every stop inside a hard budget.

    \b
    procrun start              run everything in the foreground
    procrun restart worker     from another terminal: TERM, KILL after 10 s, start again

    Options may stand before or after the command. `procrun COMMAND --help` tells more.

    The shell completes commands, options and process names after this line in ~/.bashrc (zsh and fish: zsh_source,
    fish_source):

    \b
    eval "$(_PROCRUN_COMPLETE=bash_source procrun)"
    """


start_command = click.Command(
    "start",
    params=[*parameters(START), click.Argument(["names"], nargs=-1, metavar="[NAME]…", shell_complete=process_names)],
    callback=start,
    help=start.__doc__,
)


def _command_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]


@click.command("version")
def version_command() -> None:
    """Print the version."""
    show(__version__)


@click.command("help")
@click.argument("command", required=False, shell_complete=_command_names)
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Print the help of a command."""
    group = ctx.find_root()
    found = procrun.get_command(ctx, command) if command else procrun
    if found is None:
        ctx.fail(_unknown(str(command)))
    with click.Context(found, info_name=command, parent=group) if command else group as context:
        show_lines(found.get_help(context))
