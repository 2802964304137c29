"""Reads a plain `procrun start …` without click, which would cost a third of the time to the first child.

Whatever is not plain (help, a fault, an odd spelling) is left to click: it alone explains and refuses.
"""

from collections.abc import Sequence
from typing import Any

from procrun.cli.options import START, Option, by_flag, nothing_given

Values = dict[str, Any]


def parse(arguments: Sequence[str]) -> Values | None:
    """The values of `start`'s options and its names, or None where click has to look."""
    known = by_flag(START)
    values: Values = nothing_given(START)
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if not argument.startswith("-") or argument == "-":
            words.append(argument)
            continue
        option = known.get(flag)
        if option is None or (equals and (option.metavar is None or not flag.startswith("--"))):
            return None
        if option.metavar is not None and not equals:
            value = next(rest, "")
        if not _put(values, option, value):
            return None
    if words[:1] != ["start"]:
        return None
    return {**values, "names": tuple(words[1:])}


def _put(values: Values, option: Option, text: str) -> bool:
    if option.metavar is None:
        values[option.name] = True
        return True
    if not text or (text.startswith("-") and text != "-"):
        return False
    try:
        value = option.kind(text)
    except ValueError:
        return False
    values[option.name] = (*values[option.name], value) if option.many else value
    return True
