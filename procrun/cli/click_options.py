"""The table of options as click's parameters."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from procrun.cli.options import Option
from procrun.core.errors import ProcrunError
from procrun.core.text import clean
from procrun.plan.options import Wishes

Function = TypeVar("Function", bound=Callable[..., Any])


def parameters(options: tuple[Option, ...]) -> list[click.Parameter]:
    """A click option for each row."""
    return [_parameter(option) for option in options]


def takes(*options: Option) -> Callable[[Function], Function]:
    """Give a command these options."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = click.option(*option.flags, option.name, **_settings(option))(function)
        return function

    return decorate


class WithCommand(click.Command):
    """Keeps what stands behind `--` away from click, which would take it for names: it is `ctx.meta["command"]`.

    That is None where there is no `--`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        ctx.meta["command"] = args[at + 1 :] if at < len(args) else None
        return super().parse_args(ctx, args[:at])


def process_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The process types of the Procfile that begin so, for the shell's completion; of a list the last one."""
    from procrun.plan.sources import read

    wishes = Wishes(**{name: value for name, value in ctx.params.items() if name in ("procfile", "app_root")})
    try:
        entries = read(wishes, os.environ, required=False).entries if wishes.procfile != "-" else ()
    except ProcrunError:
        return []
    before, comma, begun = incomplete.rpartition(",")
    return [
        CompletionItem(before + comma + entry.name, help=clean(entry.command))
        for entry in entries
        if entry.name.startswith(begun)
    ]


def counts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The same with the sign before a number: `web=`."""
    return [CompletionItem(f"{item.value}=", help=item.help) for item in process_names(ctx, param, incomplete)]


def one_of(*words: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completion by these words."""
    return lambda ctx, param, incomplete: [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _paths(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completion by the shell itself: of a `file` or a `dir`."""
    return lambda ctx, param, incomplete: [CompletionItem(incomplete, type=kind)]


_COMPLETION = {
    "FILE": _paths("file"),
    "DIR": _paths("dir"),
    "NAME,…": process_names,
    "[NAME,…]": process_names,
    "TYPE=N,…": counts,
}


def _reader(kind: Callable[[str], object]) -> Callable[[str], object]:
    """The same, with the fault as click wants it."""

    def read(text: str) -> object:
        try:
            return kind(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


def _parameter(option: Option) -> click.Option:
    return click.Option([*option.flags, option.name], **_settings(option))


def _settings(option: Option) -> dict[str, Any]:
    if option.metavar is None:
        return {"is_flag": True, "help": option.help}
    optional = {"is_flag": False, "flag_value": option.bare} if option.bare else {}
    return {
        **optional,
        "metavar": option.metavar,
        "type": _reader(option.kind),
        "multiple": option.many,
        "help": option.help,
        "shell_complete": one_of(*option.words) if option.words else _COMPLETION.get(option.metavar),
    }
