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


class Entry(NamedTuple):
    """One line of a Procfile: a process type and its command, with its place (`Procfile:3`)."""

    name: str
    command: str
    where: str


class Finding(NamedTuple):
    """Something worth a warning, with its place (`Procfile:7`, `.env:3`) and its stable name; a `note` costs no work.

    `code` is one of those in `findings`. `processes` are the process types it is about; none where it is about the app.
    """

    where: str
    text: str
    code: str
    note: bool = False
    processes: tuple[str, ...] = ()


class Variable(NamedTuple):
    """A value of the environment and where it comes from (`.env:3`, `shell`, `procrun`)."""

    value: str
    source: str


class Wishes(NamedTuple):
    """What the command line asked for; None and () where it said nothing.

    `formation` is foreman's `-m` (types not named get none), `concurrency` honcho's `-c` (they get one); `defaults` are
    variables of procrun's own, for where neither a file nor the shell sets them. `pty` names who gets a
    pseudo-terminal ("all" means everybody); of the others stdout and stderr are told `apart`, or are one. `cycle` is
    after how many seconds each instance is restarted.
    """

    procfile: str | None = None
    env_files: tuple[str, ...] = ()
    app_root: str | None = None
    port: int | None = None
    formation: str | None = None
    concurrency: str | None = None
    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    timeout: float | None = None
    platform: str | None = None
    no_order: bool = False
    pty: tuple[str, ...] = ()
    apart: bool = False
    defaults: Mapping[str, str] = {}
    cycle: float | None = None


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


class Heroku(NamedTuple):
    """What the simulated dyno does (`[heroku]` of `procrun.toml`); each thing can be switched off.

    `boot_timeout` is in seconds, `memory` in bytes; 0 is off. `cycle` is as written (`24h`), empty is off. `log` has
    what happens told in Heroku's words, too.
    """

    crash_restart: bool = True
    boot_timeout: float = 60.0
    memory: int = 0
    cycle: str = ""
    app_json: bool = True
    log: bool = True


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


class ProcessConfig(NamedTuple):
    """What the configuration says of one process type; None where it says nothing.

    `stop_sequence` and `restart_signal` are as written (a list as a tuple); `stopping` reads them. A profile "none"
    stands for a program of which nothing is to be assumed. `places` is where each key was given
    (`procrun.toml: process.worker.after`). `memory` is a quota in bytes, 0 for none. `accept` are the codes of findings
    that are not to be told.
    """

    profile: str | None = None
    stop_sequence: str | tuple[object, ...] | None = None
    no_kill: bool | None = None
    restart_signal: str | int | None = None
    restart_on_deploy: bool | None = None
    after: tuple[str, ...] | None = None
    restart: str | None = None
    restart_limit: Limit | None = None
    essential: bool | None = None
    pty: bool | None = None
    ready: Readiness | None = None
    run_once: bool | None = None
    watchdog: float | None = None
    alive: AliveCheck | None = None
    watch: tuple[str, ...] | None = None
    places: Mapping[str, str] = {}
    memory: int | None = None
    accept: tuple[str, ...] | None = None


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


class Config(NamedTuple):
    """What `procrun.toml` says; `where` is the file for messages, None where there is none.

    Budgets are in seconds. `formation` is written as for `-c`; `metadata` is the path of a Cloud 66 manifest from
    the app's folder, `environment` its level that counts. Log files are in the folder `log_dir`, where there is one:
    begun anew at `log_size` bytes and as often as `log_rotate` says, `log_keep` old ones of each kept. `port` is the
    base, or "auto". `accept` are the codes of findings of no process type that are not to be told.
    """

    platform: str = "local"
    restart_budget: float | None = None
    store_budget: float = 10.0
    total_budget: float | None = None
    formation: str | None = None
    metadata: str | None = None
    environment: str = "production"
    log_dir: str | None = None
    log_size: int = 10_000_000
    log_keep: int = 5
    log_rotate: str = "never"
    processes: Mapping[str, ProcessConfig] = {}
    where: str | None = None
    programs: Mapping[str, ProgramConfig] = {}
    heroku: Heroku = Heroku()
    port: int | str | None = None
    accept: tuple[str, ...] = ()


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


class Exit(NamedTuple):
    """How a process ended: a status (0 to 255), or the signal that killed it; the other is None."""

    status: int | None
    signal: int | None


class Stat(NamedTuple):
    """One process in /proc: `flags` are PF_…, `started` is in clock ticks since boot, `cpu` in clock ticks.

    `state` and `flags` are the main thread's, or a living thread's where the main one has ended.
    """

    pid: int
    state: str
    ppid: int
    pgid: int
    sid: int
    flags: int
    started: int
    cpu: int
    terminal: int = 0
    """The number of its controlling terminal; 0 where it has none."""

    @property
    def alive(self) -> bool:
        """Whether any thread of it lives; a zombie is a process whose last thread has ended."""
        return self.state not in "ZX"


class Happening(NamedTuple):
    """Something that happened to an instance, for the stream, for clients and for the report.

    `what` is one of started, running, exited, signal, timeout (KILL at the budget), gone, failed, crashed (it starts
    again in `seconds`), given-up, left (by its leader), killing (others than its leader), strays (of no instance that
    could be told), stuck, bound (to its port), boot-timeout (not bound in time), memory (above its quota), memory-kill
    (far above it), cycling, waits, ready, unready, done (it was to run once), blocks (it ended, others wait for it),
    hung, unwatched (its watchdog has not begun), recognised (its processes show its program); `detail` says more: the
    signal's name, the exit, the error. `seconds`
    counts from the first signal of a stop sequence (for `exited` and `gone` outside of one: from the start of the
    process).
    """

    name: str
    what: str
    seconds: float
    detail: str
    pid: int
