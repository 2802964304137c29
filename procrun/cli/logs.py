"""What the processes have written and what happens to them: logs, events, wait."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import click

from procrun.choice import matching
from procrun.cli.click_options import process_names, takes
from procrun.cli.control import root_of
from procrun.cli.faults import warn
from procrun.cli.follow import follow
from procrun.cli.options import APP, JSON, LOOK, Option
from procrun.client import ask, find
from procrun.errors import ConfigError, NoRunError
from procrun.messages import Logs, More, Output, Request, Turn, Wait, Watch, Written
from procrun.model import Happening
from procrun.output import wants_colour
from procrun.prefix import CLOCK, OURS, Look, Prefix, put
from procrun.tame import tame
from procrun.values import regex, seconds

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_names = click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=process_names)


def _since(text: str) -> float:
    """`90s`, `5m`, `2h`, `1d` ago, or a moment in ISO 8601, as a Unix time. Raises ValueError that says so."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if found:
        return time.time() - int(found[1]) * _UNITS[found[2]]
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is no time; give one as in 90s, 5m, 2h, 1d, or 2026-11-22T14:00') from None


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f'"{text}" is no number of lines; give one as in 100')
    return int(text)


_LOGS = (
    Option("follow", ("-f", "--follow"), None, bool, "Go on with what comes, until Ctrl-C."),
    Option("last", ("-n", "--lines"), "N", _count, "The last N lines."),
    Option("since", ("--since",), "TIME", _since, "What came in the last 90s, 5m, 2h, 1d, or since 2026-11-22T14:00."),
    Option("grep", ("--grep",), "REGEX", regex, "Only lines in which this is found (Python's re)."),
)


