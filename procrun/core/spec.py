"""The frozen values that the floors hand to each other; no behaviour.

Named tuples rather than data classes: importing `dataclasses` costs 14 ms of every start-up.
"""

from collections.abc import Mapping
from typing import NamedTuple

PLATFORMS = ("local", "heroku", "server")
"""local: TERM and KILL inside a budget; heroku: a dyno's full rigour; server: stop sequences, quiet, deploy."""


PIPES, APART, PTY = CONSOLES = ("pipes", "apart", "pty")
"""What an instance writes to: one pipe for stdout and stderr, a pipe for each of them, or a pseudo-terminal."""

STILL_ALIVE = "still alive"
"""How an instance has ended of which something outlives KILL (state D)."""

LONGEST_WAIT = 1_000_000
"""Seconds that a budget or a wait may have, eleven days: the system's timers take no number whatever."""


class Step(NamedTuple):
    """One step of a stop sequence: a signal number, and the seconds to wait after it before the next."""

    signal: int
    wait: float


PERIODS = {"never": "", "hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G-%V"}
"""How often a log file is begun anew: the part of the local time (strftime(3)) in which it is not."""


class Limit(NamedTuple):
    """So many restarts in so many seconds, then no more: Upstart's `respawn limit 10 5`."""

    restarts: int
    seconds: float


RESTARTS = ("never", "on-failure", "always")
"""What may be done about an end by itself."""


class Policy(NamedTuple):
    """What the end of an instance means: whether it is started again, how often, and whether it ends the run.

    After an end that is not one of a row it is started again `at_once`, or else after the first pause.
    What is to run `once` is done with exit 0: then what comes after it starts, and that end never ends the run.
    """

    restart: str = "never"
    limit: Limit | None = None
    essential: bool = True
    at_once: bool = False
    once: bool = False


OWN_PORT = "$PORT"
"""A port to ask that is the instance's own."""


class Readiness(NamedTuple):
    """When an instance is ready: a question of this `kind` is answered, within so many seconds from its start.

    The kinds: port (`value`: a number, OWN_PORT, or empty for whatever it listens on), http (a path or a URL), log (a
    regular expression), command, notify; of profiles redis, postgres, memcached (protocols on what it listens on) and
    title (a regular expression). Empty is none. It is asked `every` so many seconds; None: quickly, then slower. A
    `line` of its output shows it as well. A `restart` returns when it is ready where that is `awaited`: for a store,
    or as configured; a mere default is told only. Where it is whatever it listens on, `ports` and `sockets` (names of
    files) are its own and count at once, as its $PORT does; `never` are ports of debuggers, which do not count.
    """

    kind: str
    value: str = ""
    within: float = 60.0
    every: float | None = None
    awaited: bool = False
    line: str = ""
    ports: tuple[int, ...] = ()
    sockets: tuple[str, ...] = ()
    never: tuple[int, ...] = ()


class AliveCheck(NamedTuple):
    """How a ready instance is asked whether it still works: by a port, http or a command, `every` so many seconds.

    `value` is as for readiness. Without an answer `within` so many seconds it is a miss; `failures` of them in a row
    mean that it hangs.
    """

    kind: str
    value: str
    every: float = 10.0
    within: float = 5.0
    failures: int = 3


class ProgramConfig(NamedTuple):
    """A program of the app's own, as `[program.NAME]` describes it; `timeout` is in seconds, `places` as for a process.

    `programs` are its names, one of the `verbs` is among its arguments where there are any. It ends its work at
    `stop_signal`, and waits `timeout` for it, or what its option or its variable says. After KILL its work is lost, or
    `runs_again`.
    """

    programs: tuple[str, ...] | None = None
    verbs: tuple[str, ...] = ()
    stop_signal: str | int | None = None
    quiet_signal: str | int | None = None
    timeout: float | None = None
    timeout_option: str | None = None
    timeout_variable: str | None = None
    runs_again: bool = False
    ready: Readiness | None = None
    store: bool = False
    places: Mapping[str, str] = {}


class Manners(NamedTuple):
    """How the instances of a type are stopped, quieted, ordered and started again.

    `after` are the types it waits for at its start, and that wait for it at its stop. TERM, INT, QUIT and HUP go
    to every process with `to_all`, else to who is responsible. `quiet_signals` make it take no new work, the first
    that it catches is used; `busy_title` (a regular expression with the groups busy and quiet) reads its process
    title. With no `ready` it is so once it has lived for a moment. Death by a `clean` signal of ours is a clean end.
    `deadly` signals are known to end it with all its work, whatever it seems to catch (Ruby catches some to die of
    them later).
    A `dyno` is treated as on Heroku; it must listen on its port within `boot_timeout` seconds where that is not 0, and
    should use no more `memory` than so many bytes where that is not 0.
    Where it has a `watchdog`, it hangs when it says nothing for so many seconds; `alive` is what it is asked for that.
    When a file changes that the patterns `watch` mean, it is restarted.
    """

    stop_sequence: tuple[Step, ...]
    profile: str = ""
    after: tuple[str, ...] = ()
    store: bool = False
    ready: Readiness | None = None
    to_all: bool = False
    quiet_signals: tuple[int, ...] = ()
    busy_title: str = ""
    clean: frozenset[int] = frozenset()
    deadly: frozenset[int] = frozenset()
    restart_signal: int | None = None
    restart_on_deploy: bool = True
    policy: Policy = Policy()
    dyno: bool = False
    boot_timeout: float = 0.0
    memory: int = 0
    watchdog: float = 0.0
    alive: AliveCheck | None = None
    watch: tuple[str, ...] = ()

    @property
    def awaited(self) -> bool:
        """Whether who starts it waits until it is ready."""
        return self.ready is not None and self.ready.awaited


class Spec(NamedTuple):
    """One instance (`worker.2`), ready to be started: everything that is known of it before it runs.

    `console` is one of CONSOLES.
    """

    name: str
    type: str
    command: str
    shell_line: str
    env: Mapping[str, str]
    root: str
    port: int
    quiet: bool
    manners: Manners
    console: str = PIPES
