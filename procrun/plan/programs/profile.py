"""What a profile is: the facts about a program that procrun acts on.

A profile is data. The known ones stand in `workers`, `webservers`, `stores` and `managers`; `[program.NAME]` in
procrun.toml makes another.
"""

from collections.abc import Mapping
from enum import Enum
from signal import SIGKILL, SIGQUIT, SIGTERM
from typing import Any, NamedTuple

from procrun.core.spec import Readiness, Step

LAST_WAIT = 5.0
"""Seconds after the last signal of a sequence; what is still there then is reported."""


class Config(NamedTuple):
    """The program's own file where it keeps a setting: its name, the options that name another file, the default ones.

    `sections`: a section with the name of the environment (`production:`) beats the top level. `suffix`: an argument
    that ends so is the file.
    """

    setting: str
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sections: bool = False
    suffix: str = ""


class Code(NamedTuple):
    """Where the app's code sets something of the program: patterns, the group `value` being what is set.

    The code is in the `files` (globs from the app's folder), or in the file or folder that one of the `options` names;
    where the option names a Python `module`, in its file, in those of its settings, and in `files`. `about` is what
    such a file has in it.
    """

    patterns: tuple[str, ...]
    options: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    module: bool = False
    about: str = ""


class Patience(NamedTuple):
    """How long a program waits for its work after `signal` before it gives up, and what KILL costs before that.

    `default` is in seconds, `options`, `variables` and `config` in seconds / `unit`; inf is for ever. `before` says
    which default older versions had. `margin` is what it may need beyond its wait, in seconds. `loses` is a clause;
    `harmless` where no work is gone for good. `also` are signals at which it does the same. `cure` is the setting
    that has it fit into {seconds}, where that is not simply the first of the options; versions before
    `cure_since` have `cure_before`. What the `code` of the app sets beats them all.
    """

    default: float
    margin: float
    loses: str
    work: str = "jobs"
    harmless: bool = False
    signal: int = SIGTERM
    also: tuple[int, ...] = ()
    cure: str = ""
    cure_since: tuple[int, ...] = ()
    cure_before: str = ""
    options: tuple[str, ...] = ()
    unit: float = 1
    variables: tuple[str, ...] = ()
    options_in: str = ""
    config: Config | None = None
    before: tuple[tuple[int, ...], float] | None = None
    code: Code | None = None


class Versions(NamedTuple):
    """A signal, in versions from `since` to, not with, `before`; () is no limit."""

    signal: int
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()


class Variant(NamedTuple):
    """What is otherwise where any of these holds: a word has `word` in it, an option or a variable has a value that
    matches `value`, a line of the config file matches `line`, the file gives `setting` a number above 0 or one that
    cannot be read, or the app's code has all the patterns of `code`. That file is `config`, or the changed patience's.
    """

    changes: Mapping[str, Any]
    word: str = ""
    options: tuple[str, ...] = ()
    variable: str = ""
    value: str = ""
    line: str = ""
    setting: str = ""
    config: Config | None = None
    code: Code | None = None


class Reach(Enum):
    """Which processes get the signal by which a program is ended: the program itself, its group, all below it."""

    ONE = "nobody else"
    GROUP = "its whole process group"
    TREE = "everything below it"


class Ending(NamedTuple):
    """How a manager ends a program when it gets TERM itself: by which signal, and how far that reaches.

    `set_by` is the setting of the signal, with {signal} for its name; `reach_set_by` the one that makes it reach so
    far. Both are empty where there is none.
    """

    signal: int = SIGTERM
    set_by: str = ""
    reach: Reach = Reach.ONE
    reach_set_by: str = ""


class Profile(NamedTuple):
    """A known program.

    `programs` are its names without a folder; where `verbs` are given, one must be among its arguments (`celery
    worker`), `verb_options` being those whose value is none. `stop` is its sequence on a server: the last step is
    KILL unless `never_kill`. `clean`: a death by one of these after our own signal, or an exit with 128 + n, is a good
    end. `quiet` is empty where no signal does it (`quiet_hint` says what does). `ready` is how it shows that it can
    serve: a protocol to ask on its port (redis, postgres, memcached, connect) or its title; `ready_line` a line it logs
    then. `busy_title` matches the title with the groups version, busy, slots and quiet. `deadly` are signals that end
    it with all its work in flight.
    `at_term` is what TERM alone costs, and the cure; `term_to_all` what TERM to every process does, also one to its
    process group unless what it starts is `apart`, in groups of its own.
    A `manager` runs others, passes TERM on to them and kills what is left of them after its `deadline`. Where it is
    `passed_over`, TERM goes to its children in its place.
    A store starts after the stores whose profiles `after` names, and stops before them. `port` is the one that it
    listens on unless one of its `port_options` says otherwise; 0 where that is unknown. `gem`, `dist` and `npm` are the
    packages that it comes in, of RubyGems, PyPI and npm. `script` matches what is in its file where that is one of the
    app's own (`bin/jobs`). `readiness` is what an app asks of a program of its own. `source` says where all this is
    from: "run, VERSION" was measured with that version, "source" read in its code, "docs" in its manual.
    """

    name: str
    programs: tuple[str, ...]
    stop: tuple[Step, ...]
    verbs: tuple[str, ...] = ()
    verb_options: tuple[str, ...] = ()
    never_kill: bool = False
    clean: tuple[int, ...] = ()
    quiet: tuple[Versions, ...] = ()
    quiet_hint: str = ""
    patience: Patience | None = None
    variants: tuple[Variant, ...] = ()
    store: bool = False
    ready: str = ""
    ready_line: str = ""
    busy_title: str = ""
    deadly: tuple[Versions, ...] = ()
    at_term: str = ""
    term_to_all: str = ""
    apart: bool = False
    manager: bool = False
    passed_over: bool = False
    deadline: Patience | None = None
    after: tuple[str, ...] = ()
    port: int = 0
    port_options: tuple[str, ...] = ()
    gem: str = ""
    dist: str = ""
    npm: str = ""
    script: str = ""
    readiness: Readiness | None = None
    source: str = ""


def steps(*signals_and_waits: float) -> tuple[Step, ...]:
    """A sequence from signals and seconds by turns, as in `SIGQUIT, 75, SIGTERM, 15, SIGKILL`; then LAST_WAIT."""
    numbers = [*signals_and_waits, LAST_WAIT]
    return tuple(Step(int(number), wait) for number, wait in zip(numbers[::2], numbers[1::2], strict=True))


WORKER = steps(SIGTERM, 90, SIGKILL)  # Cloud 66: sidekiq, puma and workers of any kind
QUIT_FIRST = steps(SIGQUIT, 75, SIGTERM, 15, SIGKILL)  # Cloud 66: unicorn and resque
