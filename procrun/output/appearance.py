"""How lines are to look, as the options of the command line say."""

import os
from collections.abc import Iterable, Mapping
from time import time
from typing import Any

from procrun.core.errors import ConfigError
from procrun.output.prefix import CLOCK, OURS, Look, Prefix
from procrun.output.stdio import Window
from procrun.output.stream import wants_colour


def colour_wanted(values: Mapping[str, Any]) -> bool:
    """Whether our standard output is to be coloured."""
    return not values["no_colour"] and wants_colour(os.environ, 1)


def look(values: Mapping[str, Any], names: Iterable[str]) -> Look:
    """The look of lines of instances with these names."""
    colour = colour_wanted(values)
    return Look(
        width=max(len(OURS), *map(len, names)),
        colour=colour,
        timestamps=_timestamps(values),
        prefix=not values["no_prefix"],
        tame=colour or os.isatty(1),
    )


def window(look: Look) -> Window | None:
    """The room that lines of processes have: our terminal without the prefix; None where we have no terminal."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return None
    before = len(Prefix(look._replace(colour=False)).before(OURS, time()))
    return Window(rows or Window().rows, max(20, columns - before) if columns else Window().columns)


def _timestamps(values: Mapping[str, Any]) -> str:
    if values["no_timestamp"] and values["timestamps"] is not None:
        raise ConfigError("give one of --timestamps and --no-timestamp")
    if values["no_timestamp"]:
        return ""
    return CLOCK if values["timestamps"] is None else str(values["timestamps"])
