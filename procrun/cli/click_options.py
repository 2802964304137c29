"""The table of options as click's parameters."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from procrun.cli.options import Option

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


def _parameter(option: Option) -> click.Option:
    return click.Option([*option.flags, option.name], **_settings(option))


def _settings(option: Option) -> dict[str, Any]:
    if option.metavar is None:
        return {"is_flag": True, "help": option.help}
    return {"metavar": option.metavar, "type": option.kind, "multiple": option.many, "help": option.help}
