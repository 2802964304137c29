"""Every option that commands share, once, as data: the command line is built from this table."""

from collections.abc import Callable
from typing import NamedTuple

from procrun.core import values
from procrun.core.spec import PLATFORMS


class Option(NamedTuple):
    """One option: `metavar` is None for a plain flag; `many` may be given several times.

    `kind` reads the value, and raises ValueError that says what to give; `words` are all that it takes, where they
    are few. `bare` is what the option says where no value stands behind it; without it there must be one.
    """

    name: str
    flags: tuple[str, ...]
    metavar: str | None
    kind: Callable[[str], object]
    help: str
    many: bool = False
    words: tuple[str, ...] = ()
    bare: str | None = None


APP = (
    Option("procfile", ("-f", "--procfile"), "FILE", str, "The Procfile; - reads it from standard input."),
    Option(
        "env_files",
        ("-e", "--env"),
        "FILE",
        str,
        "An environment file instead of .env; several (or a,b): later ones win.",
        many=True,
    ),
    Option("app_root", ("-d", "--app-root", "--root"), "DIR", str, "Run there instead of in the Procfile's folder."),
)
PORT = (
    Option("port", ("-p", "--port"), "PORT", values.port, "The base port, else 5000; +100 a type, +1 an instance."),
)
FORMATION = (
    Option("formation", ("-m", "--formation"), "TYPE=N,…", str, "How many of each; types not named: none. all=N."),
    Option("concurrency", ("-c", "--concurrency"), "TYPE=N,…", str, "How many of each; types not named: one."),
)
TIMEOUT = (
    Option(
        "timeout",
        ("-t", "--timeout"),
        "SECONDS",
        values.seconds,
        "The budget from TERM to gone, else 10; KILL then.",
    ),
)
CHOICE = (
    Option("exclude", ("-x", "--except"), "NAME,…", str, "Leave these types or instances out.", many=True),
    Option("quiet", ("-q", "--quiet", "--hide"), "NAME,…", str, "Do not show the output of these.", many=True),
    Option("only", ("--only",), "NAME,…", str, "Show the output of these alone.", many=True),
    Option("grep", ("--grep",), "REGEX", values.regex, "Show only lines in which this is found (Python's re)."),
)
LOOK = (
    Option("no_prefix", ("--no-prefix",), None, bool, "Lines as they come, without time and name."),
    Option("no_colour", ("--no-colour", "--no-color"), None, bool, "No colours; NO_COLOR does the same."),
    Option("no_timestamp", ("--no-timestamp",), None, bool, "No time before the name."),
    Option(
        "timestamps",
        ("--timestamps",),
        "FORMAT",
        values.timestamps,
        "The time before the name: a format of strftime, as in %H:%M:%S (%L: milliseconds), or ms, or off.",
    ),
)
PLATFORM = (
    Option(
        "platform",
        ("--platform",),
        "NAME",
        values.platform,
        "local (else), heroku or server; as in procrun.toml.",
        words=PLATFORMS,
    ),
    Option("no_order", ("--no-order",), None, bool, "Recognise no stores: everything starts and stops at once."),
)
JSON = (Option("as_json", ("--json",), None, bool, "As JSON, for programs."),)
JSON_LINES = (Option("as_json", ("--json",), None, bool, "As JSON, one object a line; stderr told from stdout."),)
CYCLE = (
    Option("cycle", ("--cycle",), "PERIOD", values.period, "Restart each once in so long, as a dyno: 24h, 15m, 90s."),
)
TERMINALS = (
    Option("no_keys", ("--no-keys",), None, bool, "Read no keys from the terminal (? lists what they do)."),
    Option("pty", ("--pty",), "[NAME,…]", str, "Give these, or all, a terminal of their own.", many=True, bare="all"),
)
WAIT = (
    Option("wait", ("--wait",), None, bool, "Stop everything, exit 124, unless all are ready in time; tell how long."),
)
START = (*APP, *PORT, *FORMATION, *CHOICE, *TERMINALS, *TIMEOUT, *PLATFORM, *LOOK, *JSON_LINES, *CYCLE, *WAIT)


def by_flag(options: tuple[Option, ...]) -> dict[str, Option]:
    """The options by each of their spellings."""
    return {flag: option for option in options for flag in option.flags}


def nothing_given(options: tuple[Option, ...]) -> dict[str, object]:
    """The values when none of the options is given."""
    return {o.name: False if o.metavar is None else () if o.many else None for o in options}
