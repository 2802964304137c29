"""`procrun smoke`: one command for CI, which starts everything, tries it, stops it, and says whether all went well."""

import re
import sys
from typing import Any, NoReturn

import click

from procrun.cli.click_options import WithCommand, process_names, takes
from procrun.cli.errors import told
from procrun.cli.options import APP, CHOICE, FORMATION, JSON_LINES, LOOK, PLATFORM, PORT, TERMINALS, TIMEOUT, Option
from procrun.core import values
from procrun.core.errors import ConfigError
from procrun.core.text import shown
from procrun.run import guardian
from procrun.run.smoke import junit
from procrun.run.smoke.run import _supervise


def _duration(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)(s|m|)", text)
    if not found:
        raise ValueError(f"{shown(text)} is no time; give seconds or minutes, as in 10, 10s or 2m")
    return values.seconds(found[1]) * (60 if found[2] == "m" else 1)


def _rounds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError(f"{shown(text)} is no number of restarts; give one as in 3")
    return int(text)


_OPTIONS = (
    Option("within", ("--ready-within",), "SECONDS", _duration, "In which everything must be ready, else 60."),
    Option("stay", ("--for",), "SECONDS", _duration, "Stay up for so long instead of running CMD, else 5; 10s, 2m."),
    Option("restarts", ("--restarts",), "N", _rounds, "Then restart everything so many times."),
    Option(
        "patterns",
        ("--fail-on-log",),
        "REGEX",
        values.regex,
        "Fail where a line of a process has it (Python's re).",
        many=True,
    ),
    Option("junit", ("--junit",), "FILE", str, "Write a JUnit report there."),
)
_START = (*APP, *PORT, *FORMATION, *CHOICE, *(o for o in TERMINALS if o.name == "pty"), *TIMEOUT, *PLATFORM, *LOOK)


@click.command("smoke", cls=WithCommand)
@takes(*_OPTIONS, *_START, *JSON_LINES)
@click.argument("names", nargs=-1, metavar="[NAME]… [-- CMD…]", shell_complete=process_names)
def smoke_command(names: tuple[str, ...], **values: Any) -> NoReturn:
    """Start everything, wait until it is ready, try it, stop it: the command for CI.

    \b
    procrun smoke                          stay up for 5 seconds
    procrun smoke -- npm test              run the tests on the running app
    procrun smoke --restarts 3 --junit smoke.xml -- 'curl -fsS localhost:$PORT/'
    procrun smoke --fail-on-log '^Traceback' --for 30s web worker

    CMD runs in the app's folder and environment. PORT is that of web, or of the only process; PROCRUN_PORT_WORKER that
    of worker. A run of smoke is on its own: beside a `procrun start` it takes other ports, unless -p says which, and
    `procrun stop` and the like do not find it.

    \b
    Exits with 0 when all went well, else with the status of what happened first:
      124  a process was not ready in time
      20   a process ended by itself
      21   CMD failed, or was not found
      22   a line has what --fail-on-log looks for
      23   a process had to be killed at the end of its budget
      24   something was left: a process, or a port that is still open
      25   a process had to be killed to be restarted
      2    bad usage, a faulty file, a port of -p that is taken: nothing was started
      130  Ctrl-C (143: TERM)
    """
    command: list[str] | None = click.get_current_context().meta["command"]
    if command in ([], [""]):
        raise ConfigError("give a command behind it, as in -- npm test", "--")
    if command and values["stay"] is not None:
        raise ConfigError("is for runs without CMD; leave out one of the two", "--for")
    if values["junit"] is not None:
        values["junit"] = junit.prepare(values["junit"])
    sys.exit(told(lambda: guardian.lead(lambda link: told(lambda: _supervise(link, names, command, values)))))
